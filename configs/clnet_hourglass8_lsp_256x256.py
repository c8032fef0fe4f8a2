# Composite localization, Table 4: 96.0 PCK@0.2 on LSP test in the paper.
_base_ = [
    './_base_/schedule_newell.py',
    './_base_/clnet_hourglass.py',
    './_base_/clnet_lsp_256x256.py',
]

model = dict(head=dict(out_channels=14, decoder=_base_.codec))
default_hooks = dict(checkpoint=dict(save_best='lsp/PCK'))
train_pipeline = [*_base_.newell_augmentation, *_base_.train_pipeline[len(_base_.augmentation) :]]
train_dataloader = dict(
    batch_size=6,
    dataset=dict(
        datasets=[
            dict(_base_.lsp_train, pipeline=train_pipeline),
            dict(_base_.lspet_train, pipeline=train_pipeline),
        ]
    ),
)
