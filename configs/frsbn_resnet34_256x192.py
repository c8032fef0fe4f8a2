# FR-SBN+GCB+SA-MFCD on ResNet-34, Tables 1 and 2.
_base_ = ['./_base_/schedule_140e.py', './_base_/full_resolution_256x192.py']
