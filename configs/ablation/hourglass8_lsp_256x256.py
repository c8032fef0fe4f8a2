# Composite localization, Figure 4 (b), LSP test: the stacked hourglass with heatmaps.
_base_ = [
    '../_base_/schedule_newell.py',
    '../_base_/hourglass.py',
    '../_base_/shear.py',
    '../_base_/lsp.py',
]

crop, *target = _base_.crop_with_target
train_pipeline = [*_base_.newell_augmentation, crop, _base_.shear, *target]
train_dataloader = dict(
    batch_size=6,
    dataset=dict(
        datasets=[
            dict(_base_.lsp_train, pipeline=train_pipeline),
            dict(_base_.lspet_train, pipeline=train_pipeline),
        ]
    ),
)
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = val_dataloader
model = dict(head=dict(out_channels=14, decoder=_base_.codec))
default_hooks = dict(checkpoint=dict(save_best='lsp/PCK'))
