"""What people of bad will send: none of it does harm, and the next good request is answered as before."""

import base64
import json
import pickle
import socket
import zlib
from contextlib import suppress

import numpy as np
import pytest

import hostile_inputs
from image_files import chunk
from served import TOKEN, assert_clean, png, read_reply, until

GOOD = {
    "sentences": (b'{"text": "a good film"}', "Content-Type: application/json"),
    "signals": (json.dumps({"values": np.zeros((2, 6)).tolist()}).encode(), "Content-Type: application/json"),
}


def answers(client, name):
    """Whether a good request is answered."""
    body, *headers = GOOD.get(name, (png(),))
    if name == "token":
        headers.append(f"Authorization: Bearer {TOKEN}")
    reply = client.predict(body, *headers)
    assert reply.status == 200, reply
    assert len(reply.json) == 1
    assert "error" not in reply.json[0]


def refused(client, reply, name, statuses):
    assert reply.status in statuses, reply
    assert_clean(reply)
    if reply.status and b"Invalid HTTP request" not in reply.body and reply.body:
        assert set(reply.json) == {"error"}
    answers(client, name)


# --------------------------------------------------------------------------------- who asks: rebinding, other sites
HOSTS = (
    "evil.example", "evil.example:PORT", "127.0.0.1.evil.example:PORT", "localhost.evil.example:PORT", "localhost:1",
    "127.0.0.1", "127.0.0.1:0PORT", "0.0.0.0:PORT", "2130706433:PORT", "127.1:PORT", "[::2]:PORT",
    "localhost.:PORT",
    "127.0.0.1:PORT@evil.example", "evil.example#127.0.0.1:PORT", "localhost%00.evil:PORT",
    "127.0.0.1:PORT, evil.example",
    "xn--lcalhost-6fh:PORT", "169.254.169.254", "model.example",
)  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("path", ["/predict", "/model"])
def test_a_foreign_host_is_refused(service, host, path):
    client = service("colours")
    method, body = ("POST", png()) if path == "/predict" else ("GET", b"")
    refused(client, client.ask(method, path, body, f"Host: {host}"), "colours", {421})


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:PORT", "127.0.0.1.evil.example", "modelXexample", "localhost.evil"]
)
def test_a_name_is_refused_where_addresses_may_ask(service, host):
    client = service("open")
    refused(client, client.predict(None, f"Host: {host}"), "open", {421})


@pytest.mark.parametrize(
    "host", ["10.0.0.7:9000", "[fe80::1]:80", "localhost:99", "model.example", "Model.Example:8000", "b.example"]
)
def test_an_address_or_an_allowed_name_may_ask(service, host):
    assert service("open").predict(None, f"Host: {host}").status == 200


def test_two_hosts_or_none_are_refused(service):
    client = service("colours")
    for raw in (
        client.raw("GET", "/model", b"", "Host: 127.0.0.1:PORT", "Host: evil.example"),
        b"GET /model HTTP/1.0\r\n\r\n",
        b"GET /model HTTP/1.1\r\n\r\n",
    ):
        refused(client, client.send(raw), "colours", {400, 421})


ORIGINS = (
    "Origin: https://evil.example", "Origin: null", "Origin: http://localhost:1", "Origin: file://",
    "Origin: http://127.0.0.1:PORT.evil.example", "Origin: http://127.0.0.1:PORT, http://evil.example",
    "Origin: http://127.0.0.1", "Origin: chrome-extension://abc", "Origin: http://evil.example@127.0.0.1:PORT",
    "Origin: ws://127.0.0.1:PORT", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Sec-Fetch-Site: x",
)  # fmt: skip


@pytest.mark.parametrize("header", ORIGINS)
@pytest.mark.parametrize("name", ["colours", "token"])
@pytest.mark.parametrize("path", ["/predict", "/metrics"])
def test_another_site_may_not_ask(service, header, name, path):
    client = service(name)
    method, body = ("POST", png()) if path == "/predict" else ("GET", b"")
    reply = client.ask(method, path, body, header, f"Authorization: Bearer {TOKEN}")
    refused(client, reply, name, {403})
    assert "access-control-allow-origin" not in reply.headers


def test_its_own_page_may(service):
    client = service("colours")
    own = ("Origin: http://127.0.0.1:PORT", "Sec-Fetch-Site: same-origin")
    assert client.predict(None, *own).status == 200
    assert client.ask("GET", "/", b"", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: document").status == 200  # a link


TOKENS = (
    "X: none", "Authorization: Bearer", "Authorization: Bearer ", f"Authorization: Bearer {TOKEN}x",
    f"Authorization: Bearer {TOKEN[:-1]}", f"Authorization: Bearer {TOKEN.upper()}", f"Authorization: Basic {TOKEN}",
    f"Authorization: {TOKEN}", f"Authorization: Bearer {TOKEN} {TOKEN}", f"Authorization: Bearer\x00{TOKEN}",
    f"X-Authorization: Bearer {TOKEN}", f"Cookie: token={TOKEN}", f"Authorization: Bearer {TOKEN}\u00fc",
    "Authorization: Basic " + base64.b64encode(f"admin:{TOKEN}".encode()).decode(), "Authorization: Bearer none",
)  # fmt: skip


def nothing_is_held(client):
    app = client.serving.service.app
    until(lambda: app.held == 0)  # the body of the last request is let go a moment after the answer is out


@pytest.mark.parametrize("header", TOKENS)
@pytest.mark.parametrize("path", ["/predict", "/v2/models/token/infer", "/model", "/metrics"])
def test_without_the_token_nothing_is_told(service, header, path):
    client = service("token")
    method, body = ("GET", b"") if path in ("/model", "/metrics") else ("POST", png())
    refused(client, client.ask(method, path, body, header), "token", {401, 400})


@pytest.mark.parametrize("path", ["/", "/health", "/ready", "/v2/health/live", "/v2/health/ready"])
def test_a_body_is_not_read_where_none_is_taken(service, path):
    client = service("token")
    with client.connect() as connection:
        connection.sendall(client.raw("POST", path, b"x", "Content-Length: 20000000"))
        reply = read_reply(connection.makefile("rb"))  # before the body is there
    refused(client, reply, "token", {405})
    assert reply.headers["allow"] == "GET"
    nothing_is_held(client)


def test_a_token_in_the_address_or_given_twice_is_none(service):
    client = service("token")
    refused(client, client.ask("GET", f"/model?token={TOKEN}"), "token", {401})
    right = f"Authorization: Bearer {TOKEN}"
    refused(client, client.ask("GET", "/model", b"", right, right), "token", {401})


# --------------------------------------------------------------------------------------------- paths and methods
PATHS = (
    "/../../etc/passwd", "/..%2f..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/./model.safetensors",
    "/model.safetensors", "/..\\..\\windows", "/%5c..%5c", "/model/", "/Model", "/model%00", "/predict/../model/x",
    "/v2/models/../../model", "/v2/models/..%2f..%2fetc%2fpasswd", "/v2/models/other", "/v2/models/colours/../x",
    "/v2/models//ready", "/v2/repository/models/x/load", "/.git/config", "/.env", "/docs", "/openapi.json", "/redoc",
    "/static/../app.py", "/favicon.ico/..", "http://169.254.169.254/latest", "/%F0%9F", "/" + "a" * 20_000, "*",
    "/metrics/../../", "/\u00e9",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS, ids=[path[:40].encode("unicode_escape").decode() for path in PATHS])
def test_there_is_nothing_at_other_paths(service, path):
    client = service("colours")
    refused(client, client.ask("GET", path), "colours", {404, 400, 431, 0})


@pytest.mark.parametrize(
    "method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "X" * 900]
)
def test_other_methods_do_nothing(service, method):
    client = service("colours")
    refused(client, client.ask(method, "/predict"), "colours", {405, 400})


# ------------------------------------------------------------------------------------------------- lengths and HTTP
def heads(*headers, body=b""):
    return lambda client: client.raw("POST", "/predict", body, *headers)


REFUSED = {400, 411, 501}
CHUNK = "Transfer-Encoding: chunked"
HTTP = {
    "a terabyte": (heads("Content-Length: 1000000000000", body=b"x"), {413}),
    "a length of 30 digits": (heads("Content-Length: " + "9" * 30, body=b"x"), {400, 413}),
    "one byte too many": (heads("Content-Length: 2000001", body=bytes(2_000_001)), {413}),
    "a negative length": (heads("Content-Length: -1", body=b"x"), {400}),
    "a length with a sign": (heads("Content-Length: +5", body=b"xxxxx"), {400}),
    "a hexadecimal length": (heads("Content-Length: 0x10", body=bytes(16)), {400}),
    "a length in Arabic digits": (heads("Content-Length: \u0665", body=b"xxxxx"), {400}),
    "two lengths": (heads("Content-Length: 5", "Content-Length: 6", body=b"xxxxxx"), {400}),
    "no length": (heads("Content-Length:", body=b"xxxxx"), {400}),
    "length and chunks": (heads("Content-Length: 5", CHUNK, body=b"0\r\n\r\n"), {400, 411}),
    "chunks": (heads("Content-Length:", CHUNK, body=b"1\r\nx\r\n0\r\n\r\n"), {411}),
    "a flood of chunks": (heads("Content-Length:", CHUNK, body=b"1\r\nx\r\n" * 50_000), {411, 0}),
    "chunks of an endless size": (heads("Content-Length:", CHUNK, body=b"f" * 5_000), {411, 400, 0}),
    "chunks and identity": (heads("Content-Length:", "Transfer-Encoding: x, chunked", body=b"0\r\n\r\n"), REFUSED),
    "chunks by another name": (heads("Content-Length:", "Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), REFUSED),
    "packed by gzip": (heads("Content-Encoding: gzip", body=zlib.compress(bytes(10_000_000))), {415}),
    "packed by br": (heads("Content-Encoding: br", body=b"x"), {415}),
    "an expectation": (heads("Expect: 100-continue", "Content-Length: 1000000000", body=b""), {413}),
    "a smuggled request": (heads("Content-Length: 0", body=b"GET /secret HTTP/1.1\r\nHost: x\r\n\r\n"), {400}),
    "GET with a body": (lambda client: client.raw("GET", "/model", b"x", "Content-Length: 1"), {400}),
    "a header of 100 kB": (heads("X: " + "a" * 100_000, body=b"x"), {400, 431, 0}),
    "2,000 headers": (heads(*[f"X{i}: {'a' * 40}" for i in range(2_000)], body=b"x"), {400, 431, 0}),
    "a header without a name": (heads(": x", body=b"x"), {400}),
    "a header with a NUL": (heads("X: a\0b", body=b"x"), {400}),
    "a header that goes on": (heads("X: a\r\n b", body=b"x"), {400, 411}),
    "a space before the colon": (heads("Content-Length : 3", body=b"xxx"), {400}),
    "a line feed alone": (lambda client: b"POST /predict HTTP/1.1\nHost: x\n\n", {400, 421}),
    "HTTP of the future": (lambda client: b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", {400, 421, 505}),
    "HTTP/2 at once": (lambda client: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 421}),
    "a TLS greeting": (lambda client: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), {400, 0}),
    "an SSH greeting": (lambda client: b"SSH-2.0-OpenSSH_9\r\n\r\n", {400}),
    "bytes without sense": (lambda client: bytes(range(256)) * 200, {400, 0}),
    "a line without end": (lambda client: b"GET /" + b"a" * 200_000, {400, 431, 0}),
    "a web socket": (
        lambda client: client.raw(
            "GET", "/predict", b"", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x"
        ),
        {405},
    ),
    "HTTP/2 by upgrade": (lambda it: it.raw("GET", "/predict", b"", "Connection: Upgrade", "Upgrade: h2c"), {405}),
}  # fmt: skip


@pytest.mark.parametrize("kind", HTTP)
def test_broken_and_lying_requests_are_refused(service, kind):
    client = service("colours")
    make, statuses = HTTP[kind]
    refused(client, client.send(make(client)), "colours", statuses)


# ------------------------------------------------------------------------------------------------------- forms
FORM = "Content-Type: multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
FORMS = {
    "10,000 parts": (FORM, (PART + b"x\r\n") * 10_000 + b"--b--\r\n", {413}),
    "no boundary": ("Content-Type: multipart/form-data", PART + b"x\r\n--b--\r\n", {400}),
    "another boundary": ("Content-Type: multipart/form-data; boundary=c", PART + b"x\r\n--b--\r\n", {400}),
    "an empty boundary": ("Content-Type: multipart/form-data; boundary=", b"--\r\n\r\nx\r\n----\r\n", {400}),
    "a boundary of 20 kB": ("Content-Type: multipart/form-data; boundary=" + "b" * 20_000, PART, {400}),
    "no end": (FORM, PART + png(), {400}),
    "no parts": (FORM, b"--b--\r\n", {400}),
    "nothing": (FORM, b"", {400}),
    "a part's header of 500 kB": (FORM, b"--b\r\nX: " + b"a" * 500_000 + b"\r\n\r\nx\r\n--b--\r\n", {400}),
    "100 headers of a part": (FORM, b"--b\r\n" + b"X: a\r\n" * 100 + b"\r\nx\r\n--b--\r\n", {400}),
    "a form in a form": (FORM, b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--b--", {400}),
    "a part in base64": (
        FORM,
        PART[:-2] + b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(png()) + b"\r\n--b--\r\n",
        {400},
    ),
    "dashes without end": (FORM, b"--b" + b"-" * 500_000, {400}),
    "line ends without end": (FORM, b"\r\n" * 500_000, {400}),
    "a form of NULs": (FORM, bytes(500_000), {400}),
}  # fmt: skip


@pytest.mark.parametrize("kind", FORMS)
def test_forms_that_are_bombs_are_refused(service, kind):
    client = service("colours")
    header, body, statuses = FORMS[kind]
    refused(client, client.predict(body, header), "colours", statuses)


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd",
        "/etc/passwd",
        "C:\\\\windows\\\\x.png",
        "a\x1b[31m.png",
        "\u202egnp.exe",
        "x" * 3_000,
        "%2e%2e%2f",
        "a.dcm",
        "<script>.png",
    ],
)
def test_the_name_of_a_file_is_a_name_and_no_more(service, name):
    client = service("colours")
    part = PART.replace(b"a.png", name.encode())
    reply = client.predict(part + png() + b"\r\n--b--\r\n", FORM)
    assert reply.status == 200
    given = reply.json[0]["file"]
    assert given.isprintable()
    assert len(given) <= 255


# -------------------------------------------------------------------------------------------------------- JSON
JSON = "Content-Type: application/json"
DEEP = b"[" * 100_000
IMAGE = base64.b64encode(png()).decode()
DOCUMENTS = {
    "lists in lists": (DEEP, {400}),
    "lists in lists, closed": (DEEP + b"]" * 100_000, {400}),
    "objects in objects": (b'{"image":' * 50_000, {400}),
    "NaN": (b'{"image": NaN}', {400}),
    "Infinity": (b'{"image": -Infinity}', {400}),
    "a number of 100,000 digits": (b'{"image": ' + b"9" * 100_000 + b"}", {400}),
    "nothing": (b"", {400}),
    "cut short": (b'{"image": "', {400}),
    "half a letter": (b'{"image": "\xff\xfe"}', {400}),
    "in UTF-16, and no image": ('{"image": "x"}'.encode("utf-16"), {400}),
    "a list": (b"[]", {400}),
    "a text": (b'"image"', {400}),
    "null": (b"null", {400}),
    "another field": (b'{"imagge": "x"}', {400}),
    "no images": (b'{"image": []}', {400}),
    "an image of a number": (b'{"image": 5}', {400}),
    "an image of true": (b'{"image": true}', {400}),
    "an image of an object": (b'{"image": {"a": 1}}', {400}),
    "no base64": (b'{"image": "!!!!"}', {400}),
    "base64 with a surrogate": (b'{"image": "\\ud800"}', {400}),
    "1,000 images": (json.dumps({"image": ["AAAA"] * 1_000}).encode(), {413}),
    "200,000 images of nothing": (b'{"image": [' + b"0," * 200_000 + b"0]}", {413}),
    "600,000 lists": (b'{"image": [' + b"[]," * 600_000 + b"0]}", {413}),
    "300,000 fields and more": (b'{"image": {' + b'"":0,' * 300_000 + b'"a":0}}', {413}),
    "200,000 fields": (json.dumps({f"image{i}": 0 for i in range(50_000)}).encode(), {400}),
    "pickled": (pickle.dumps({"image": "x"}), {400}),
}  # fmt: skip


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_documents_that_are_bombs_are_refused(service, kind):
    client = service("colours")
    body, statuses = DOCUMENTS[kind]
    refused(client, client.predict(body, JSON), "colours", statuses)


@pytest.mark.parametrize(
    "query",
    ["threshold=nan", "threshold=inf", "threshold=-1", "threshold=2", "threshold=x", "top=0", "top=-5", "top=1e999",
     "top=0.5",
     "sets=200%25", "sets=x", "sets=0.9", "a=1", "threshold=1&b=2", "top=" + "9" * 400, "__class__=1"],
)  # fmt: skip
def test_parameters_out_of_range_are_refused(service, query):
    client = service("colours")
    refused(client, client.ask("POST", f"/predict?{query}", png()), "colours", {400})


# -------------------------------------------------------------------------------------------------------- images
SLOW = ("1 GB", "300 MB", "30 MB", "10 MB", "200,000", "170,000,000", "255 pieces", "30,000", "9,000")


@pytest.mark.parametrize(
    "kind",
    [pytest.param(k, marks=pytest.mark.slow if any(word in k for word in SLOW) else ()) for k in hostile_inputs.IMAGES],
)
def test_images_that_are_bombs_do_no_harm(service, kind):
    client = service("colours")
    made = hostile_inputs.IMAGES[kind]
    reply = client.predict(made() if callable(made) else made, "Content-Type: image/png")
    assert reply.status in (200, 400, 413), reply
    assert_clean(reply)
    answers(client, "colours")


BOMBS = {
    "png of 60,000 x 60,000": hostile_inputs.ihdr(60_000, 60_000, 8, 2, 0, 0, 0) + chunk(b"IDAT", b"x"),
    "png just above the limit": hostile_inputs.ihdr(10_001, 1_000, 1, 0, 0, 0, 0)
    + chunk(b"IDAT", zlib.compress(bytes(1_252_000))),
    "bmp of 20,000 x 20,000": hostile_inputs.bmp(20_000, 20_000),
    "pnm of 20,000 x 20,000": b"P5 20000 20000 255\n",
    "gif of 65,535 x 65,535": b"GIF89a\xff\xff\xff\xff\0\0\0" + b",\0\0\0\0\xff\xff\xff\xff\0\2\2D\1\0;",
    "heic": b"\0\0\0\x18ftypheic" + bytes(60),
    "a path": b"/etc/passwd",
    "an address": b"http://169.254.169.254/latest/meta-data/",
    "a pickle": pickle.dumps([1]),
}  # fmt: skip


@pytest.mark.parametrize("kind", BOMBS)
def test_images_above_the_limits_are_refused_before_they_are_decoded(service, kind):
    client = service("colours")
    refused(client, client.predict(BOMBS[kind], "Content-Type: image/png"), "colours", {400})


# -------------------------------------------------------------------------------- the Open Inference Protocol
COUNT = 3 * 16 * 16


def tensor(**changes):
    given = {"name": "input", "datatype": "UINT8", "shape": [1, 3, 16, 16], "data": [7] * COUNT, **changes}
    return {"inputs": [{key: value for key, value in given.items() if value is not None}]}


TENSORS = {
    "no shape": tensor(shape=None),
    "no data": tensor(data=None),
    "no datatype": tensor(datatype=None),
    "no name": tensor(name=None),
    "another name": tensor(name="x"),
    "a name of a number": tensor(name=5),
    "a name of 100 kB": tensor(name="x" * 100_000),
    "an empty shape": tensor(shape=[]),
    "a flat shape": tensor(shape=[COUNT]),
    "a transposed shape": tensor(shape=[1, 16, 16, 3]),
    "a shape of -1": tensor(shape=[-1, 3, 16, 16]),
    "a shape of 0": tensor(shape=[0, 3, 16, 16], data=[]),
    "a shape of 1.0": tensor(shape=[1.0, 3, 16, 16]),
    "a shape of true": tensor(shape=[True, 3, 16, 16]),
    "a shape of texts": tensor(shape=["1", "3", "16", "16"]),
    "a shape of 2**62": tensor(shape=[2**62, 3, 16, 16]),
    "a shape of a billion": tensor(shape=[10**9, 3, 16, 16]),
    "a shape that overflows to fit": tensor(shape=[2**64 + 1, 3, 16, 16]),
    "a shape of 1,000 axes": tensor(shape=[1] * 1_000),
    "an object for a shape": tensor(shape={"0": 1}),
    "two items, data for one": tensor(shape=[2, 3, 16, 16]),
    "one item, data for two": tensor(data=[7] * 2 * COUNT),
    "no values": tensor(data=[]),
    "data of a text": tensor(data="7" * COUNT),
    "data of an object": tensor(data={"a": 1}),
    "data of a number": tensor(data=7),
    "a text among the data": tensor(data=["7"] + [7] * (COUNT - 1)),
    "null among the data": tensor(data=[None] + [7] * (COUNT - 1)),
    "a list among the data": tensor(data=[[7]] + [7] * (COUNT - 1)),
    "data of another nesting": tensor(data=[[7] * COUNT]),
    "data of lists of other lengths": tensor(data=[[[7] * 16] * 15] * 3),
    "a byte of 256": tensor(data=[256] + [7] * (COUNT - 1)),
    "a byte of -1": tensor(data=[-1] + [7] * (COUNT - 1)),
    "a byte of 0.5": tensor(data=[0.5] + [7] * (COUNT - 1)),
    "a byte of 10**400": tensor(data=[10**400] + [7] * (COUNT - 1)),
    "all true": tensor(data=[True] * COUNT),
    "datatype BYTES": tensor(datatype="BYTES"),
    "datatype of no kind": tensor(datatype="UINT9"),
    "datatype of a list": tensor(datatype=["UINT8"]),
    "1,000 items": tensor(shape=[1_000, 3, 16, 16], data=[7]),
    "an image that is none": {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": ["AAAA"]}]},
    "images fewer than said": {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [9], "data": [IMAGE]}]},
    "images of two axes": {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1, 1], "data": [IMAGE]}]},
    "images as bytes": {"inputs": [{"name": "image", "datatype": "UINT8", "shape": [1], "data": [IMAGE]}]},
    "10,000 images": {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [10_000], "data": ["AA"] * 10_000}]},
    "two tensors": {"inputs": tensor()["inputs"] * 2},
    "no tensors": {"inputs": []},
    "a tensor of null": {"inputs": [None]},
    "inputs of an object": {"inputs": {"input": 1}},
    "no inputs": {"outputs": []},
    "a list": [1],
    "another output": tensor() | {"outputs": [{"name": "weights"}]},
    "outputs of texts": tensor() | {"outputs": ["scores"]},
    "1,000 outputs": tensor() | {"outputs": [{"name": "scores"}] * 1_000},
    "an id of an object": tensor() | {"id": {}},
    "an id of 100 kB": tensor() | {"id": "x" * 100_000},
}  # fmt: skip


@pytest.mark.parametrize("kind", TENSORS)
def test_tensors_that_lie_are_refused(service, kind):
    client = service("colours")
    reply = client.ask("POST", "/v2/models/colours/infer", json.dumps(TENSORS[kind]).encode(), JSON)
    refused(client, reply, "colours", {400, 413})


@pytest.mark.parametrize(
    "body", [b"", b"{", DEEP, b'{"inputs": NaN}', b"\xff", png()], ids=["0", "cut", "deep", "NaN", "byte", "png"]
)
def test_questions_that_are_no_json_are_refused(service, body):
    client = service("colours")
    refused(client, client.ask("POST", "/v2/models/colours/infer", body, JSON), "colours", {400})
    refused(client, client.ask("POST", "/v2/models/other/infer", b"{}", JSON), "colours", {404})


# ------------------------------------------------------------------------------------------- numbers and sentences
def npy(header, data=b""):
    return hostile_inputs.npy(header, data)


def numbers(value):
    return json.dumps({"values": value}).encode()


VALUES = {
    "NaN": (b'{"values": [[NaN]]}', JSON),
    "1e999": (b'{"values": [' + b",".join([b"[1e999,0,0,0,0,0]"] * 2) + b"]}", JSON),
    "1e300, too large for float32": (numbers([[1e300] * 6] * 2), JSON),
    "the wrong shape": (numbers([[0] * 6] * 3), JSON),
    "lists of other lengths": (numbers([[0] * 6, [0] * 5]), JSON),
    "texts": (numbers([["0"] * 6] * 2), JSON),
    "null": (numbers([[None] * 6] * 2), JSON),
    "true": (numbers([[True] * 6] * 2), JSON),
    "a number": (numbers(5), JSON),
    "nothing": (numbers([]), JSON),
    "lists in lists in lists": (b'{"values": ' + b"[" * 900 + b"0" + b"]" * 900 + b"}", JSON),
    "integers without end": (b'{"values": [[' + b"9" * 4_000 + b"]]}", JSON),
    "a sentence": (b'{"text": "a"}', JSON),
    "npy of 2**60 numbers": (hostile_inputs.array((2**60,), "'<f4'"), ""),
    "npy of a negative shape": (hostile_inputs.array((-1, 6), "'<f4'", bytes(48)), ""),
    "npy of two negative sides": (hostile_inputs.array((-2, -6), "'<f4'", bytes(48)), ""),
    "npy of more sides than an array has": (hostile_inputs.array((1,) * 70, "'<f4'", bytes(4)), ""),
    "npy of objects": (npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", pickle.dumps([1])), ""),
    "npy of a program": (npy("__import__('os').system('true')"), ""),
    "npy of a long header": (npy("{" + " " * 60_000 + "}"), ""),
    "npy cut short": (hostile_inputs.array((2, 6), "'<f4'", bytes(40)), ""),
    "npy with more behind": (hostile_inputs.array((2, 6), "'<f4'", bytes(60)), ""),
    "npy of NaN": (hostile_inputs.array((2, 6), "'<f4'", np.full(12, np.nan, np.float32).tobytes()), ""),
    "npy of another shape": (hostile_inputs.array((6, 3), "'<f4'", bytes(72)), ""),
    "npy of texts": (hostile_inputs.array((2, 6), "'<U1'", bytes(48)), ""),
    "npz": (hostile_inputs.plain_npz(x=np.zeros((2, 6))), ""),
    "an image": (png(), "Content-Type: image/png"),
    "no array": (b"hello", ""),
}  # fmt: skip


@pytest.mark.parametrize("kind", VALUES)
def test_values_that_are_none_are_refused(service, kind):
    client = service("signals")
    body, header = VALUES[kind]
    refused(client, client.predict(body, *([header] if header else [])), "signals", {400})


SENTENCES = {
    "empty": (b'{"text": ""}', JSON),
    "spaces": (b'{"text": "  \\n "}', JSON),
    "a number": (b'{"text": 5}', JSON),
    "null": (b'{"text": null}', JSON),
    "a list of lists": (b'{"text": [["a"]]}', JSON),
    "nothing": (b'{"text": []}', JSON),
    "half a megabyte": (json.dumps({"text": "a " * 250_000}).encode(), JSON),
    "no UTF-8": (b"\xff\xfe\xfd", "Content-Type: text/plain"),
    "an image": (b'{"image": "AAAA"}', JSON),
    "of the body, empty": (b"   ", "Content-Type: text/plain"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SENTENCES)
def test_sentences_that_are_none_are_refused(service, kind):
    client = service("sentences")
    refused(client, client.predict(*SENTENCES[kind]), "sentences", {400})


URLENCODED = "Content-Type: application/x-www-form-urlencoded"  # as `curl -d` says of everything


@pytest.mark.parametrize(
    ("body", "header"),
    [(b'{"text": "a good film"}', URLENCODED), (b' {"text": "a"}', "X: no type"), (b"text=a+good+film", URLENCODED)],
)
def test_json_and_forms_of_no_type_are_not_taken_for_sentences(service, body, header):
    client = service("sentences")
    reply = client.predict(body, header)
    refused(client, reply, "sentences", {415})
    assert "send Content-Type: application/json" in reply.json["error"]


@pytest.mark.parametrize(
    ("body", "header"),
    [("a good film", URLENCODED), ("{a} good film", "Content-Type: text/plain"), ("text=a", "X: no type")],
)
def test_other_bodies_are_sentences(service, body, header):
    reply = service("sentences").predict(body.encode(), header)
    assert reply.status == 200
    assert reply.json[0]["text"] == body


@pytest.mark.parametrize(
    "text",
    [
        "/etc/passwd",
        "sentences.txt",
        "\ud800",
        "\x00",
        "\u202e",
        "a" * 90_000,
        "\u0301" * 90_000,
        "<script>",
        "'; DROP",
    ],
)
def test_any_sentence_is_a_sentence(service, text):
    client = service("sentences")
    reply = client.predict(json.dumps({"text": text}).encode(), JSON)
    assert reply.status == 200
    assert reply.json[0]["text"] == text
    answers(client, "sentences")


# ------------------------------------------------------------------------------------- slow, many, and half of it
def connections(client, count, raw=b""):
    opened = [client.connect() for _ in range(count)]
    for connection in opened:
        if raw:
            connection.sendall(raw)
    return opened


def closed(connections):
    for connection in connections:
        connection.close()


def test_200_idle_connections_hold_up_nobody(service):
    client = service("colours")
    opened = connections(client, 200)
    for _ in range(5):
        answers(client, "colours")
    closed(opened)


def test_200_headers_and_200_bodies_that_do_not_come_to_an_end_hold_up_nobody(service):
    client = service("colours")
    halves = (b"POST /predict HTTP/1.1\r\nHost: ", client.raw("POST", "/predict", b"x", "Content-Length: 1999999"))
    for half in halves:
        opened = connections(client, 200, half)
        for _ in range(5):
            answers(client, "colours")
        closed(opened)


def test_a_body_that_does_not_come_is_answered_in_time(service):
    client = service("colours")
    with client.connect() as connection:
        connection.sendall(client.raw("POST", "/predict", b"x", "Content-Length: 1000"))
        reply = read_reply(connection.makefile("rb"))
    refused(client, reply, "colours", {408})
    assert "after 3 seconds" in reply.json["error"]


def test_a_body_that_comes_byte_by_byte_is_answered_in_time(service):
    client = service("colours")
    with client.connect() as connection:
        connection.sendall(client.raw("POST", "/predict", b"", "Content-Length: 100000"))
        connection.settimeout(0.05)
        stream, given = connection, b""
        for _ in range(400):
            try:
                connection.sendall(b"x")
                given += stream.recv(4096)
            except TimeoutError:
                continue
            except ConnectionError:
                break
            if b"\r\n\r\n" in given:
                break
    assert b" 408 " in given.split(b"\r\n")[0]
    answers(client, "colours")


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX: "], ids=["nothing", "a line", "headers"]
)
def test_a_header_that_does_not_come_ends_the_connection(service, sent, monkeypatch):
    monkeypatch.setattr("striate.service.connection.HEADER_SECONDS", 0.2)
    client = service("colours")
    with client.connect(5) as connection:
        connection.sendall(sent)
        with suppress(ConnectionResetError):
            assert connection.recv(100) == b""
    answers(client, "colours")


def test_more_connections_than_there_is_room_for_are_closed_at_once(service, monkeypatch):
    client = service("colours")
    monkeypatch.setattr(client.serving.server.config.http_protocol_class, "most", 20)
    opened = connections(client, 20)
    with client.connect(5) as connection, suppress(ConnectionResetError):
        assert connection.recv(10) == b""
    closed(opened)
    until(lambda: len(client.serving.server.server_state.connections) < 20)
    answers(client, "colours")


def test_who_leaves_in_the_middle_leaves_nothing_behind(service):
    client = service("colours")
    whole = client.raw("POST", "/predict", png())
    for i in range(60):
        with client.connect() as connection:
            connection.sendall(whole[: len(whole) - i % 3 * 50])
            if i % 2:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
    answers(client, "colours")
    until(lambda: client.serving.service.batcher.waiting == 0)
    nothing_is_held(client)


def test_200_requests_at_once_on_one_connection_are_answered_in_turn(service):
    client = service("colours")
    with client.connect() as connection:
        connection.sendall(client.raw("GET", "/health") * 200)
        stream = connection.makefile("rb")
        assert [read_reply(stream).status for _ in range(200)] == [200] * 200
    answers(client, "colours")


def test_who_asks_and_does_not_read_holds_up_nobody(service):
    client = service("colours")
    opened = connections(client, 20, client.raw("GET", "/") * 30)
    for _ in range(5):
        answers(client, "colours")
    closed(opened)


def test_after_all_that_the_queue_is_empty(service):
    for name in ("colours", "token", "open", "sentences", "signals"):
        client = service(name)
        answers(client, name)
        assert client.serving.service.batcher.waiting == 0
        nothing_is_held(client)
