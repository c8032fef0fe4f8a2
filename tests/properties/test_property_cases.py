# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""The long run is as long as CONTRIBUTING.md says."""

import re

import test_codec_properties
import test_loss_properties
import test_transform_properties
from property_settings import LONG_CASES


def test_the_long_run_generates_more_than_ten_thousand_cases(root):
    parts = (test_codec_properties, test_loss_properties, test_transform_properties)
    assert {name.split('.')[0] for name in LONG_CASES} == {part.__name__ for part in parts}
    total = sum(LONG_CASES.values())
    assert total >= 10_000
    said = re.search(r'([\d,]+) generated cases', (root / 'CONTRIBUTING.md').read_text())
    assert said and int(said[1].replace(',', '')) == total, f'the settings add up to {total}'
