# Faster training: inherit it beside a config, or set single keys by --cfg-options.
# None leaves the decision to the machine; see FastTrainingHook.
fast_training = dict(
    channels_last=None,  # on GPUs
    mixed_precision=None,  # bfloat16 on GPUs that have it
    compile=None,  # the backbone, on GPUs
    cudnn_benchmark=True,
    turbojpeg=None,  # where PyTurboJPEG is installed
)
