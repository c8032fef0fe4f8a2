# Rotation by up to 40 degrees, scale 0.7 to 1.3, flips: Section IV-A of the attention paper, Section
# 4.1 of the full-resolution paper; the composite-localization paper names SimpleBaseline's, which
# these are.
augmentation = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(
        type='RandomBBoxTransform',
        shift_prob=0.0,
        scale_factor=(0.7, 1.3),
        rotate_factor=40,
        rotate_prob=0.6,
    ),
]
