# Faster training: inherit it along with a config, or set single keys by --cfg-options.
# The data are prepared faster as well.
# None leaves the decision to the machine; see FastTrainingHook.
_base_ = ['./fast_data.py']

fast_training = dict(
    channels_last=None,  # on GPUs
    mixed_precision=None,  # bfloat16 on GPUs that have it
    compile=None,  # the backbone, on GPUs
    cudnn_benchmark=True,
    turbojpeg=None,  # if PyTurboJPEG is installed
)
