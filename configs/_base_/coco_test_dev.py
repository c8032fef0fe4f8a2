# COCO test-dev2017: `mim test` writes the results and computes no AP, because the labels are not
# public. The images are in data/coco/test2017; the detections are SimpleBaseline's. The file that
# inherits this one sets the evaluator's outfile_prefix (docs/composite-localization.md).
test_dev_data = dict(
    ann_file='annotations/image_info_test-dev2017.json',
    bbox_file='data/coco/person_detection_results/'
    'COCO_test-dev2017_detections_AP_H_609_person.json',
    data_prefix=dict(img='test2017/'),
)
test_dev_evaluator = dict(
    type='CocoMetric',
    ann_file='data/coco/annotations/image_info_test-dev2017.json',
    format_only=True,
)
