# CLNet with offsets trained in all cells that decoding may ask.
_base_ = ['./clnet.py']

model = dict(head=dict(loss=dict(region='asked')))
