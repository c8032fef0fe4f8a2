# CLNet's codec (Section 4.1). A file that inherits this one sets the input's size.
# The pipelines pass on points, and the head draws the targets (draw_on_device). A row with another
# stride or decoding therefore sets only the head's codec.
clnet_codec = dict(type='CompositeLocalization', stride=16, sigma=16, tau=0.6, draw_on_device=True)
