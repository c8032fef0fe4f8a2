# Flips, scale 0.7 to 1.3, rotation: Section IV-A of the attention paper, Section 4.1 of the
# full-resolution paper; the composite-localization paper names SimpleBaseline's. All three follow
# SimpleBaseline's public code, which draws a rotation as clip(40 n, -80, 80) degrees and a scale as
# clip(1 + 0.3 n, 0.7, 1.3), with n a standard normal variable.
load_person = [dict(type='LoadImage'), dict(type='GetBBoxCenterScale')]
augmentation = [
    *load_person,
    dict(type='RandomFlip', direction='horizontal'),
    dict(
        type='ClippedNormalBBoxTransform',
        scale_std=0.3,
        rotate_std=40,
        rotate_prob=0.6,
    ),
]
