import json

import numpy as np

from service.cli.opening import embed_file


def test_each_picture_gets_its_own_line_in_order(run, pictures, encoder):
    done = run("embed", *pictures[:3])
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [line["file"] for line in lines] == [str(file) for file in pictures[:3]]
    for line, file in zip(lines, pictures, strict=False):
        embedding = embed_file(encoder, file)
        for place, name in enumerate(encoder.card.attribute_names):
            said = line["attributes"][name]
            np.testing.assert_allclose(said["vector"], embedding.vectors[place], atol=1e-6)
            assert abs(said["norm"] - embedding.norms[place]) < 1e-4
            assert (said["value"] is None) == (embedding.visible[place] < 0.5)


def test_only_the_attributes_asked_for_are_given(run, pictures, encoder):
    name = encoder.card.attribute_names[-1]
    done = run("embed", pictures[0], "--attribute", name, "--attribute", name)
    assert list(json.loads(done.out)["attributes"]) == [name]


def test_a_bad_file_is_named_and_the_rest_goes_on(run, pictures, tmp_path):
    (tmp_path / "text.jpg").write_text("hello")
    done = run("embed", tmp_path / "none.jpg", tmp_path / "text.jpg", pictures[0])
    assert done.code == 1
    assert [json.loads(line)["file"] for line in done.out.splitlines()] == [str(pictures[0])]
    first, second = done.err.splitlines()
    assert first == f"lapel: {tmp_path / 'none.jpg'}: No such file or directory"
    assert second.startswith(f"lapel: {tmp_path / 'text.jpg'}: the file is not")
