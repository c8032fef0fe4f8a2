# Faster training data: inherit it along with a config, or set single keys by
# --cfg-options; see FastDataHook and docs/data-loading.md.
fast_data = dict(
    reading=True,  # late decoding and cheaper transforms, with the same draws
    pack=False,  # True: train from the crops of `mmpose-ext pack`
    pin_memory=None,  # with a GPU
    wait_for_device=None,  # on CPUs; with a GPU, losses are read when they are logged
    warp_on_device=False,  # True: the device recolors and warps whole images, not a worker
    prefetch_factor=None,  # the data loader's own value
)
