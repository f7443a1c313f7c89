"""What the service answers, and that it is what `striate predict --json` answers."""

import base64
import io
import json
import re
import socket
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from served import COLOURS, MASKS, TOKEN, assert_clean, model_of, png, read_reply
from striate.errors import Error, ModelError, RecipeError
from striate.model.model import Model
from striate.net import build
from striate.service import ServiceSettings, service_of
from striate.service.current import CurrentModel
from striate.service.serving import Serving
from striate.spec import parse

JSON = "Content-Type: application/json"


def form(*files):
    """A form of several files, with its header."""
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode() + data + b"\r\n"
        for name, data in files
    ]
    return b"".join(parts) + b"--b--\r\n", "Content-Type: multipart/form-data; boundary=b"


def said(kind, source, file=None, text=None, **options):
    """What the model says of it in this process."""
    (answer,) = model_of(kind).predict(source, **options)
    return answer.as_dict() | {"file": file}


def assert_alike(a, b):
    """Equal but for the last bits, which depend on what else is in the batch."""
    if isinstance(b, float):
        assert a == pytest.approx(b, abs=1e-5)
    elif isinstance(b, dict):
        assert a.keys() == b.keys()
        for key in b:
            assert_alike(a[key], b[key])
    elif isinstance(b, list):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_alike(one, other)
    else:
        assert a == b


def test_an_image_as_a_body_in_a_form_and_in_base64(service):
    client, data = service("colours"), png(1)
    expected = said("colours", data)
    assert_alike(client.predict(data, "Content-Type: image/png").json, [expected])
    assert_alike(client.predict(data, "Content-Type: application/x-www-form-urlencoded").json, [expected])  # curl's own
    assert_alike(client.predict(*form(("a.png", data))).json, [expected | {"file": "a.png"}])
    body = json.dumps({"image": base64.b64encode(data).decode()}).encode()
    assert_alike(client.predict(body, JSON).json, [expected])


def test_several_images_come_back_in_their_order_and_a_broken_one_is_said(service):
    client = service("colours")
    files = [(f"{i}.png", png(i)) for i in range(20)]
    files[7] = ("7.png", b"no image")
    found = client.predict(*form(*files)).json
    assert [one.get("file") for one in found[:3]] == ["0.png", "1.png", "2.png"]
    assert found[7] == {"error": found[7]["error"]}
    assert found[7]["error"].startswith("7.png: not an image that can be read (PNG, JPEG")
    for i in (0, 6, 8, 19):
        assert_alike(found[i], said("colours", png(i), f"{i}.png"))


def test_options_are_those_of_predict(service):
    client, data = service("colours"), png(1)
    assert_alike(client.ask("POST", "/predict?threshold=1", data).json, [said("colours", data, threshold=1.0)])
    assert len(client.ask("POST", "/predict?top=2", data).json[0]["top"]) == 2
    reply = client.ask("POST", "/predict?sets=90%25", data)
    assert reply.status == 400
    assert reply.json["error"].startswith("sets is 0.9; this model has no sets (fewer than 14")


def test_sentences_and_values_and_masks(service):
    sentences = service("sentences")
    (answer,) = sentences.predict(b'{"text": "a good film"}', JSON).json
    assert_alike(answer, said("sentences", "a good film"))
    assert_alike(sentences.predict(b"a good film", "Content-Type: text/plain").json, [answer])
    assert [one["text"] for one in sentences.predict(b'{"text": ["a", "b"]}', JSON).json] == ["a", "b"]

    (answer,) = sentences.predict(b'{"text": "zzz qqq"}', JSON).json
    assert answer["unlike_training"] == ["without a word that training saw"]

    signals, x = service("signals"), np.arange(12, dtype=np.float32).reshape(2, 6)
    expected = said("signals", x)
    assert_alike(signals.predict(json.dumps({"values": x.tolist()}).encode(), JSON).json, [expected])
    for array in (x, np.asfortranarray(x), x.astype(">f8")):
        stream = io.BytesIO()
        np.save(stream, array)
        assert_alike(signals.predict(stream.getvalue()).json, [expected])
    two = signals.predict(json.dumps({"values": [x.tolist(), x.tolist()]}).encode(), JSON).json
    assert [one["file"] for one in two] == ["item 0", "item 1"]

    (mask,) = service("masks").predict(png(2, (40, 30))).json
    assert_alike(mask, said("masks", png(2, (40, 30))))
    assert mask["size"] == [30, 40]
    (mask,) = service("masks").ask("POST", "/predict?mask=yes", png(2, (40, 30))).json
    (expected,) = model_of("masks").predict(png(2, (40, 30)))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(mask["mask"])))), expected.mask)
    assert service("colours").ask("POST", "/predict?mask=yes", png()).status == 400


def test_what_it_says_of_itself(service):
    client = service("colours")
    about = client.ask("GET", "/model").json
    assert (about["name"], about["version"], about["contract"]["classes"]) == ("colours", 1, ["red", "green", "blue"])
    assert about["limits"] == {"max_bytes": 2_000_000, "max_pixels": 10_000_000, "timeout": 3.0} | {
        "queue": 64,
        "max_items": 64,
    }
    assert client.ask("GET", "/health").json == {"status": "ok"}
    assert client.ask("GET", "/ready").json == {"ready": True}
    page = client.ask("GET", "/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert client.ask("GET", "/v2").json["name"] == "striate"
    assert client.ask("GET", "/v2/health/live").json == {"live": True}
    assert client.ask("GET", "/v2/health/ready").json == {"ready": True}
    assert client.ask("GET", "/v2/models/colours/ready").json == {"name": "colours", "ready": True}


def test_metrics_count_what_happened(service):
    client = service("masks")

    def count(name):
        text = client.ask("GET", "/metrics").body.decode()
        return sum(float(value) for value in re.findall(rf"^{re.escape(name)} (\S+)$", text, re.M))

    good, bad = (
        'striate_requests_total{route="/predict",status="200"}',
        'striate_requests_total{route="/predict",status="400"}',
    )
    before = [count(name) for name in (good, bad, "striate_items_total", "striate_batch_items_count")]
    client.predict(*form(("a", png()), ("b", png(1))))
    client.predict(b"x")
    after = [count(name) for name in (good, bad, "striate_items_total", "striate_batch_items_count")]
    assert [b - a for a, b in zip(before[:3], after[:3], strict=True)] == [1, 1, 2]
    assert after[3] > before[3]
    assert count("process_resident_memory_bytes") > 1e6


def test_the_token_opens(service):
    client = service("token")
    assert client.predict(None, f"Authorization: Bearer {TOKEN}").status == 200
    assert client.predict(None, f"Authorization: bearer {TOKEN}", "Host: any.example").status == 200
    for path in ("/", "/health", "/ready", "/v2/health/live", "/v2/health/ready"):
        assert client.ask("GET", path).status == 200
    assert TOKEN not in client.ask("GET", "/").body.decode()
    assert client.serving.url.endswith(f"/#{TOKEN}")


# --------------------------------------------------------------------------------- the Open Inference Protocol
def infer(client, name, **question):
    return client.ask("POST", f"/v2/models/{name}/infer", json.dumps(question).encode(), JSON)


def test_tensors_give_what_the_model_gives(service):
    client, model = service("colours"), model_of("colours")
    about = client.ask("GET", "/v2/models/colours").json
    assert about["inputs"][0] == {"name": "input", "datatype": "UINT8", "shape": [-1, 3, 16, 16]}
    assert about["outputs"][0] == {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]}
    x = np.random.default_rng(0).integers(0, 256, (5, 3, 16, 16), dtype=np.uint8)
    tensor = {"name": "input", "datatype": "UINT8", "shape": [5, 3, 16, 16], "data": x.ravel().tolist()}
    reply = infer(
        client, "colours", id="7", inputs=[tensor], outputs=[{"name": "scores"}, {"name": "probabilities"}]
    ).json
    assert (reply["model_name"], reply["model_version"], reply["id"]) == ("colours", "1", "7")
    scores, probabilities = (np.reshape(one["data"], one["shape"]) for one in reply["outputs"])
    np.testing.assert_allclose(scores, model.scores(x), atol=1e-4)
    np.testing.assert_allclose(probabilities, np.exp(model.log_probabilities(x)), atol=1e-5)
    nested = infer(client, "colours", inputs=[tensor | {"data": x.tolist()}]).json["outputs"]
    assert [one["name"] for one in nested] == ["probabilities"]
    np.testing.assert_allclose(np.reshape(nested[0]["data"], (5, 3)), probabilities, atol=1e-5)


def test_images_and_sentences_as_tensors_of_bytes(service):
    data = [base64.b64encode(png(i)).decode() for i in range(3)]
    tensor = {"name": "image", "datatype": "BYTES", "shape": [3], "data": data}
    (found,) = infer(service("colours"), "colours", inputs=[tensor]).json["outputs"]
    expected = [dict(answer.top) for answer in model_of("colours").predict([png(i) for i in range(3)])]
    for row, of in zip(np.reshape(found["data"], (3, 3)), expected, strict=True):
        np.testing.assert_allclose(row, [of[name] for name in ("red", "green", "blue")], atol=1e-5)
    tensor = {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["a good film"]}
    (found,) = infer(service("sentences"), "sentences", inputs=[tensor]).json["outputs"]
    (answer,) = model_of("sentences").predict("a good film")
    np.testing.assert_allclose(found["data"], [dict(answer.top)[name] for name in ("bad", "good")], atol=1e-5)


def test_values_and_masks_as_tensors(service):
    x = np.arange(12.0).reshape(1, 2, 6)
    tensor = {"name": "input", "datatype": "FP32", "shape": [1, 2, 6], "data": x.ravel().tolist()}
    (found,) = infer(service("signals"), "signals", inputs=[tensor]).json["outputs"]
    assert found["name"] == "values"
    (answer,) = model_of("signals").predict(x[0].astype(np.float32))
    np.testing.assert_allclose(found["data"], list(dict(answer.values).values()), rtol=1e-5)
    tensor = {"name": "input", "datatype": "UINT8", "shape": [2, 3, 16, 16], "data": [9] * 2 * 768}
    (found,) = infer(service("masks"), "masks", inputs=[tensor]).json["outputs"]
    assert found["shape"] == [2, 2, 16, 16]
    np.testing.assert_allclose(np.reshape(found["data"], found["shape"]).sum(1), 1, atol=1e-5)
    words = {"name": "input", "datatype": "INT64", "shape": [1, 8], "data": [2, 3, 4, 0, 0, 0, 0, 6]}
    reply = infer(service("sentences"), "sentences", inputs=[words])
    assert reply.json["error"] == "the tensor's data are not all whole numbers from 0 to 5"


# ---------------------------------------------------------------------------------------------- when it goes wrong
def test_a_failing_network_says_nothing_of_itself_and_fails_one_item_alone(capfd, monkeypatch):
    model = model_of("colours")
    whole = model.scores
    model.scores = lambda x: whole(x) if (x != 7).any() else 1 / 0
    serving = Serving(lambda: model, None, ServiceSettings(port=0, name="m"), print)
    with serving.in_thread():
        from served import Client

        client = Client(serving)
        sevens = io.BytesIO()
        Image.new("RGB", (16, 16), (7, 7, 7)).save(sevens, "PNG")
        reply = client.predict(sevens.getvalue())
        assert reply.status == 500
        assert reply.json == {"error": "the network could not compute this; the service's own log says why"}
        assert_clean(reply)
        assert client.predict().status == 200
        model.scores = lambda x: whole(x) * np.nan
        reply = client.predict()
        assert (reply.status, reply.json["error"][:40]) == (422, "the network gives NaN or infinity for th")


def test_a_full_queue_is_answered_by_503_and_no_other_address_is(service):
    client = service("masks")
    batcher = client.serving.service.batcher
    batcher.admit(batcher.queue)  # nobody's
    try:
        whole = client.raw("POST", "/predict", png())
        with client.connect() as connection:
            stream = connection.makefile("rb")
            for parts in ([whole], [whole[:60], whole[60:]], [whole + whole], [whole]):  # the usual way, and others
                for part in parts:
                    connection.sendall(part)
                    time.sleep(0.05)
                for _ in range(2 if parts == [whole + whole] else 1):
                    reply = read_reply(stream)
                    assert reply.status == 503
                    assert reply.headers["retry-after"] == "1"
                    assert reply.headers["content-type"] == "application/json"
                    assert reply.json == {"error": "too many requests are waiting; try again later"}
            for _ in range(10):  # the second comes while the refusal of the first is about to go out
                connection.sendall(whole)
                connection.sendall(whole)
                assert [read_reply(stream).status for _ in range(2)] == [503, 503]
            connection.sendall(client.raw("GET", "/health"))
            assert read_reply(stream).status == 200
        assert client.ask("POST", "/v2/models/masks/infer", b"{}", JSON).status == 503
        assert client.ask("POST", "/v2/models/other/infer", b"{}", JSON).status in (404, 503)
        assert client.ask("POST", "/model", b"{}", JSON).status == 405
        metrics = client.ask("GET", "/metrics").body.decode()
        assert 'striate_requests_total{route="/predict",status="503"} 25.0' in metrics
    finally:
        batcher.give_up(batcher.queue)
    assert client.predict().status == 200


def test_a_network_that_gives_no_numbers_is_not_served():
    model = model_of("colours")
    next(model.module.parameters()).data.fill_(np.nan)
    with pytest.raises(Error, match="gives NaN or infinity for an input of zeros"):
        CurrentModel(lambda: model, None)


def test_the_queue_is_shorter_where_items_are_large():
    contract = replace(MASKS, input=(3, 2048, 2048))
    model = Model(build(parse("input 3x2048x2048; conv 2 1 stride=1")), contract)
    model.scores = lambda x: np.zeros((len(x), 2, 2048, 2048), np.float32)
    serving = Serving(lambda: model, None, ServiceSettings(port=0), print)
    serving.socket.close()
    assert serving.service.most == 2  # 2**24 scores
    assert serving.service.batcher.queue == 8
    model.contract = replace(COLOURS, input=(3, 4096, 4096))
    model.scores = lambda x: np.zeros((len(x), 3), np.float32)
    serving.service.current.loaded.predictor.contract = model.contract
    serving.service._model_changed()
    assert serving.service.batcher.queue == 10  # 50 MB each


def test_a_port_that_is_taken_is_said(service):
    port = service("colours").port
    with pytest.raises(Error, match=rf"127.0.0.1, port {port}: .*in use.*; give another --port"):
        service_of(model_of("colours"), port=port)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"queue": 0}, "queue must be a whole number of at least 1, got 0"),
        ({"port": 70_000}, "port must be at most 65535"),
        ({"timeout": 0}, "timeout must be a number above 0"),
        ({"timeout": float("nan")}, "timeout must be a number above 0"),
        ({"max_bytes": 1.5}, "max_bytes must be a whole number"),
        ({"token": "short"}, "the token must be of 12 or more"),
        ({"token": "has a space in it"}, "the token must be of 12 or more"),
        ({"name": "a/b"}, "name must be of letters"),
    ],
)
def test_settings_out_of_range_are_said(settings, why):
    with pytest.raises(RecipeError, match=re.escape(why)):
        ServiceSettings(**settings)


def test_other_machines_need_a_token_unless_told_otherwise():
    def token(**settings):
        serving = service_of(model_of("colours"), port=0, **settings)
        serving.socket.close()
        return serving.settings.token

    assert token() is None
    assert token(host="::1") is None
    made = token(host="0.0.0.0")
    assert len(made) >= 32
    assert made != token(host="0.0.0.0")
    assert token(host="0.0.0.0", token="none") is None
    assert token(host="0.0.0.0", token=TOKEN) == TOKEN


# ------------------------------------------------------------------------------------------------ a newer file
def saved(path, seed):
    net = parse("input 3x16x16; flatten; linear 3")
    Model(build(net, seed=seed), COLOURS).save(path)


def test_a_newer_file_is_taken_and_a_broken_one_is_not(tmp_path):
    file, told = tmp_path / "m.safetensors", []
    saved(file, 0)
    serving = service_of(file, port=0, say=told.append)
    current = serving.service.current
    first = current.loaded
    assert current.look() is None
    saved(file, 1)
    assert current.look() is True
    assert current.loaded.version == 2
    assert current.loaded is not first
    kept = current.loaded
    file.write_bytes(file.read_bytes()[:-10])
    assert current.look() is False
    assert current.look() is None  # said once
    assert current.loaded is kept
    file.unlink()
    assert current.look() is False
    assert current.loaded is kept
    saved(file, 2)
    assert current.look() is True
    assert current.refused == ""
    assert told[0] == "the new m.safetensors is taken: version 2"
    assert told[1].startswith("the new m.safetensors is not taken, the model before it stays: ")
    assert str(tmp_path) not in told[1]
    serving.socket.close()


def test_the_refusal_of_a_newer_file_stands_in_what_the_service_says(tmp_path):
    from served import Client

    file = tmp_path / "m.safetensors"
    saved(file, 0)
    serving = service_of(file, port=0, say=lambda _: None)
    with serving.in_thread():
        client = Client(serving)
        file.write_bytes(b"no model")
        serving.service.current.look()
        about = client.ask("GET", "/model")
        assert about.json["version"] == 1
        assert about.json["refused"]
        assert str(tmp_path) not in about.body.decode()
        assert client.predict().status == 200


FAILURES = {
    "memory": (RuntimeError("out of memory at /opt/x"), "it could not be computed"),
    "nothing said": (ValueError(), "it could not be computed"),
    "an error without words": (ModelError(""), "it cannot be loaded"),
    "paths": (ModelError("FILE: cannot read it (FILE failed: REAL)"), "cannot read it (m.onnx failed: m.onnx)"),
    "a file": (PermissionError(13, "Permission denied", "FILE"), "Permission denied"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FAILURES)
def test_whatever_a_newer_model_fails_with_the_model_before_it_stays(tmp_path, kind):
    error, why = FAILURES[kind]
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    file, told, models = tmp_path / "link" / "m.onnx", [], [model_of("colours")]
    file.write_bytes(b"1")
    if isinstance(error, ModelError):
        error = ModelError(str(error).replace("FILE", str(file)).replace("REAL", str(file.resolve())))

    def load():
        if not models:
            raise error
        return models.pop()

    current = CurrentModel(load, file, "m", told.append)
    file.write_bytes(b"22")
    assert current.look() is False
    assert current.refused == why
    assert current.loaded.version == 1
    (line,) = told
    assert line.startswith(f"the new m.onnx is not taken, the model before it stays: {why}")
    assert (type(error).__name__ in line) == ("computed" in why)  # the log says more
    models.append(model_of("colours"))
    assert current.look(anyway=True) is True


def test_the_end_is_clean_although_the_look_for_newer_files_failed(monkeypatch):
    monkeypatch.setattr("striate.service.app.LOOK_SECONDS", 0)
    model, looked = model_of("colours"), threading.Event()
    serving = Serving(lambda: model, None, ServiceSettings(port=0), print)

    def look(**_):
        looked.set()
        raise RuntimeError

    monkeypatch.setattr(serving.service.current, "look", look)
    with serving.in_thread():
        assert looked.wait(20)
    with pytest.raises(RuntimeError, match="shutdown"):
        serving.service.pool.submit(int)


def test_a_token_that_was_given_is_not_printed(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(Serving, "run", lambda self: self.socket.close())
    file = tmp_path / "m.safetensors"
    saved(file, 0)
    asked = ("serve", file, "--host", "0.0.0.0", "--port", 0)
    made = json.loads(cli(*asked, "--json").out)
    assert made["url"].endswith(f"/#{made['token']}")
    assert "/#" in cli(*asked).err
    monkeypatch.setenv("STRIATE_TOKEN", TOKEN)
    for words in (asked, (*asked, "--json")):
        answer = cli(*words)
        assert answer.code == 0
        assert "http://0.0.0.0:" in answer.out + answer.err
        assert TOKEN not in answer.out + answer.err


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    import striate.lazy
    import striate.service

    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name="uvicorn")

    monkeypatch.setattr(striate.lazy, "import_module", missing)
    with pytest.raises(Error, match=r'the service needs the package uvicorn; pip install "striate\[serve\]"'):
        striate.service.__getattr__("service_of")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        striate.service.__getattr__("nothing")


def test_no_answer_waits_for_the_receipt_of_its_header(service):
    client = service("colours")
    with client.connect() as connection:
        connection.sendall(client.raw("GET", "/health"))
        assert read_reply(connection.makefile("rb")).status == 200
        (own, *_) = [
            one.transport.get_extra_info("socket")
            for one in client.serving.server.server_state.connections
            if one.client == connection.getsockname()
        ]
        assert own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
