# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Convert the joints.mat of LSP or LSPET to COCO's annotation format.

Usage: python tools/lsp2coco.py lsp/joints.mat lsp/images lsp/train.json --last 1000
       python tools/lsp2coco.py lsp/joints.mat lsp/images lsp/test.json --first 1001
       python tools/lsp2coco.py lspet/joints.mat lspet/images lspet/train.json
"""

import argparse

from mmpose_ext.apps.convert_lsp import convert_lsp
from mmpose_ext.apps.shared.arguments import add_setting
from mmpose_ext.apps.shared.piped_output import piped_output
from mmpose_ext.datasets import DataError


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('joints_file', help='joints.mat')
    parser.add_argument('image_dir', help='folder of the images')
    parser.add_argument('out_file', help='JSON file to write')
    add_setting(parser, '--first', convert_lsp, 'number of the first image')
    parser.add_argument('--last', type=int, help='number of the last image; default: all')
    args = parser.parse_args()
    try:
        people = convert_lsp(**vars(args))
    except (DataError, OSError) as error:
        raise SystemExit(f'error: {error}') from None
    print(f'{args.out_file}: {people} people')


if __name__ == '__main__':
    with piped_output():
        main()
