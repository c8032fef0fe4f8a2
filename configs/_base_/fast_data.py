# Faster training data: inherit it along with a config, or set single keys by
# --cfg-options; see FastDataHook and docs/data-loading.md.
fast_data = dict(
    reading=True,  # late decoding and cheaper transforms, with the same draws
    pack=False,  # True: from the people's crops that `mmpose-ext pack` prepared
    pin_memory=None,  # where there is a GPU
    wait_for_device=None,  # not where there is a GPU: losses are read when they are logged
    prefetch_factor=None,  # the data loader's own
)
