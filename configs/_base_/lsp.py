# LSP with its extended training set: 11,000 people for training, 1,000 for testing, in the files
# that tools/lsp2coco.py writes (see docs/composite-localization.md). PCK@0.2 by torso.
# A child config adds the codec and the two pipelines that depend on it.
data_root = 'data/lsp/'

# SimpleBaseline's, of which Section 4.1 says that it takes scaling, rotation and flips
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

lsp_train = dict(
    type='LspDataset',
    data_root=data_root,
    ann_file='annotations/lsp_train.json',
    data_prefix=dict(img='lsp/images/'),
)
lspet_train = dict(
    type='LspDataset',
    data_root=data_root,
    ann_file='annotations/lspet_train.json',
    data_prefix=dict(img='lspet/images/'),
)
train_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=False,  # EpochSeedHook seeds the workers anew for each epoch
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='ConcatDataset'),  # of lsp_train and lspet_train
)
val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=False,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='LspDataset',
        data_root=data_root,
        ann_file='annotations/lsp_test.json',
        data_prefix=dict(img='lsp/images/'),
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='TorsoPCK', thr=0.2)
test_evaluator = val_evaluator
