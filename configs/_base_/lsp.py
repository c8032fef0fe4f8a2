# LSP with its extended training set: 11,000 people for training, 1,000 for testing, in the files
# that tools/lsp2coco.py writes (see docs/composite-localization.md). PCK@0.2 by torso.
# A child config adds the codec and the two pipelines that depend on it.
dataset_type = 'LspDataset'
data_mode = 'topdown'
data_root = 'data/lsp/'

lsp_train = dict(
    type=dataset_type,
    data_root=data_root,
    data_mode=data_mode,
    ann_file='annotations/lsp_train.json',
    data_prefix=dict(img='lsp/images/'),
)
lspet_train = dict(
    type=dataset_type,
    data_root=data_root,
    data_mode=data_mode,
    ann_file='annotations/lspet_train.json',
    data_prefix=dict(img='lspet/images/'),
)
train_dataloader = dict(
    batch_size=128,  # the papers' number of samples per step, on one GPU
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='ConcatDataset',  # of lsp_train and lspet_train
        # the metainfo's arrays, which mmengine 0.8 can't compare
        ignore_keys=[
            'dataset_keypoint_weights',
            'keypoint_colors',
            'sigmas',
            'skeleton_link_colors',
        ],
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_mode=data_mode,
        ann_file='annotations/lsp_test.json',
        data_prefix=dict(img='lsp/images/'),
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='TorsoPCK', thr=0.2)
test_evaluator = val_evaluator
