# Tests associative embedding at scales 2, 1 and 0.5 of the trained 512, as the paper's Table 1 has it:
#   mim test mmpose THIS --checkpoint work_dirs/associative_embedding_hourglass4_512x512/epoch_200.pth
# The largest scale is the input, so that it has the image's own detail. The tags are those of the
# trained scale, upright and mirrored, as in the public code; without tag_scales all scales' count.
_base_ = ['./associative_embedding_hourglass4_512x512.py']

load, resize, pack = _base_.val_pipeline
val_pipeline = [load, dict(resize, input_size=(1024, 1024)), pack]
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader
model = dict(test_cfg=dict(flip_test=True, scales=(1.0, 0.5, 0.25), tag_scales=(0.5,)))
