# Copyright (c) mmpose-ext contributors. Licensed under the Apache License 2.0.
"""Files for the code host and for maintainers agree with the package."""

from __future__ import annotations

import importlib.util
import re
import sys

import pytest
import yaml

import mmpose_ext


@pytest.fixture(scope='module')
def workflow(root) -> dict:
    return yaml.safe_load((root / '.github' / 'workflows' / 'ci.yml').read_text())


@pytest.fixture(scope='module')
def environments(root) -> dict:
    """Return the environments of tools/test_env.py, by name."""
    sys.path.insert(0, str(root / 'tools'))
    try:
        path = root / 'tools' / 'test_env.py'
        spec = importlib.util.spec_from_file_location('test_env_tool', path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return {name: module.pythons_of(lock) for name, (lock, _) in module.environments().items()}
    finally:
        sys.path.remove(str(root / 'tools'))


def jobs(workflow) -> list:
    return workflow['jobs']['test']['strategy']['matrix']['include']


def test_workflow_tests_every_supported_python(root, workflow):
    classifiers = re.findall(
        r'"Programming Language :: Python :: (3\.\d+)"', (root / 'pyproject.toml').read_text()
    )
    assert {job['python'] for job in jobs(workflow)} == set(classifiers)


def test_workflow_tests_every_environment(workflow, environments):
    assert {job['environment'] for job in jobs(workflow)} == set(environments)
    for job in jobs(workflow):
        assert job['python'] in environments[job['environment']], job


def test_workflow_is_of_the_forms_that_actions_have(workflow):
    """This checks what actionlint would find first; pre-commit runs actionlint itself."""
    assert set(workflow) == {'name', True, 'permissions', 'concurrency', 'jobs'}  # True: "on"
    assert set(workflow['jobs']) == {'lint', 'test', 'wheel', 'docs'}
    for job in workflow['jobs'].values():
        assert job['runs-on']
        for step in job['steps']:
            assert ('uses' in step) != ('run' in step)
            if 'uses' in step:
                assert re.fullmatch(r'[\w-]+/[\w-]+@v\d+', step['uses'])


def test_make_targets_of_the_workflow_are_there(root, workflow):
    commands = [step.get('run', '') for job in workflow['jobs'].values() for step in job['steps']]
    targets = {target for command in commands for target in re.findall(r'make ([\w-]+)', command)}
    makefile = (root / 'Makefile').read_text()
    assert targets and all(f'\n{target}:' in makefile for target in targets)


def caches_and_runs(root) -> tuple[set, list]:
    """Return the keys of the caches, by Python and environment, and all commands."""
    keys, runs = set(), []
    for path in (root / '.github' / 'workflows').glob('*.yml'):
        for job in yaml.safe_load(path.read_text())['jobs'].values():
            runs += [step['run'] for step in job['steps'] if 'run' in step]
            keys |= {s['with']['key'] for s in job['steps'] if 'cache' in s.get('uses', '')}
    return keys, runs


def test_all_jobs_share_the_compiled_packages(root):
    """A job whose key no other job writes would compile mmcv each time."""
    keys, _ = caches_and_runs(root)
    hashed = "${{ hashFiles('requirements/**') }}"
    matrix = 'wheels-${{ matrix.python }}-${{ matrix.environment }}-'
    assert keys == {matrix + hashed, 'wheels-3.11-lock-py311-' + hashed}


def test_tools_of_the_workflow_are_pinned_in_one_place(root):
    _, runs = caches_and_runs(root)
    installs = {run for run in runs if 'pip install' in run and 'dist/' not in run}
    assert installs == {'python -m pip install -r requirements/tools.txt'}
    lines = (root / 'requirements' / 'tools.txt').read_text().splitlines()
    assert all(re.fullmatch(r'[\w-]+==[\d.]+', line) for line in lines if line[0] != '#')


def test_long_tests_run_on_a_schedule(root):
    long = yaml.safe_load((root / '.github' / 'workflows' / 'long.yml').read_text())
    assert long[True]['schedule']  # True: "on"
    (job,) = long['jobs'].values()
    assert job['timeout-minutes'] and {'run': 'make test-long'} in job['steps']


def test_versions_agree(root):
    citation = yaml.safe_load((root / 'CITATION.cff').read_text())
    assert citation['version'] == mmpose_ext.__version__
    assert {'cff-version', 'title', 'message', 'authors'} <= set(citation)


def test_citation_lists_the_papers_of_the_model_index(root):
    citation = yaml.safe_load((root / 'CITATION.cff').read_text())
    links = {
        each['title']: f'https://doi.org/{each["doi"]}' if 'doi' in each else each.get('url')
        for each in citation['references']
    }
    index = yaml.safe_load((root / 'model-index.yml').read_text())
    files = [yaml.safe_load((root / path).read_text()) for path in index['Import']]
    collections = [each for file in files for each in file['Collections']]
    papers = [each['Paper'] for each in collections if each['Name'] != 'SimpleBaseline']
    assert links == {paper['Title']: paper.get('URL') for paper in papers}
    assert all(each['authors'] for each in citation['references'])


def test_readme_and_pages_link_the_papers(root):
    index = yaml.safe_load((root / 'model-index.yml').read_text())
    files = [yaml.safe_load((root / path).read_text()) for path in index['Import']]
    readme = (root / 'README.md').read_text()
    collections = (each for file in files for each in file['Collections'])
    for collection in (each for each in collections if each['Name'] != 'SimpleBaseline'):
        paper = collection['Paper']
        shown = f'*{paper["Title"]}*'
        shown = f'[{shown}]({paper["URL"]})' if 'URL' in paper else shown
        assert shown in readme
        assert shown in ' '.join((root / collection['README']).read_text().split())


def test_issue_templates(root):
    for path in (root / '.github' / 'ISSUE_TEMPLATE').glob('*.yml'):
        content = yaml.safe_load(path.read_text())
        if path.name != 'config.yml':
            assert {'name', 'description', 'body'} <= set(content), path.name
            ids = [part['id'] for part in content['body']]
            assert len(set(ids)) == len(ids)


def test_hooks_are_pinned_and_ruff_is_the_locked_one(root):
    hooks = yaml.safe_load((root / '.pre-commit-config.yaml').read_text())
    revisions = {repo['repo'].rsplit('/', 1)[1]: repo['rev'] for repo in hooks['repos']}
    assert all(re.fullmatch(r'v\d+\.\d+\.\d+', revision) for revision in revisions.values())
    locked = re.search(r'^ruff==(\S+)$', (root / 'requirements' / 'lock.txt').read_text(), re.M)
    assert revisions['ruff-pre-commit'] == f'v{locked.group(1)}'


def test_type_checks_spare_no_file(root):
    settings = (root / 'pyproject.toml').read_text()
    assert 'strict = true' in settings
    assert 'ignore_errors' not in settings and 'warn_unused_ignores' not in settings
