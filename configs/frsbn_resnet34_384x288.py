# FR-SBN+GCB+SA-MFCD on ResNet-34, Table 2.
_base_ = ['./_base_/schedule_140e.py', './_base_/full_resolution_384x288.py']
