"""A short program that uses an exported ONNX file right: its resizing is the contract's, all else is in the file.

The programs are the files in ``templates``; what depends on the contract is put in for ``@WORDS@``.
"""

from __future__ import annotations

import json
import re
from math import prod
from pathlib import Path

from striate.errors import SpecError, nearest
from striate.model.contract import IMAGES, Contract

ENDINGS = {"python": "py", "js": "js", "cpp": "cpp"}


def write_snippet(contract: Contract, name: str, language: str) -> str:
    """The program in *language* (``"python"``, ``"js"`` or ``"cpp"``) for a file called *name*.

    Raises:
        SpecError: There is no such language, none for such images, or none for positions.

    >>> contract = Contract(("cat", "dog"), (3, 32, 32), "RGB", (0.5,) * 3, (0.25,) * 3)
    >>> print(write_snippet(contract, "pets.onnx", "python").splitlines()[0])
    # What pets.onnx says of an image. pip install onnxruntime pillow numpy
    """
    if language not in ENDINGS:
        raise SpecError(f"--snippet {language}: no such language{nearest(language, ENDINGS)}")
    if contract.positions:
        raise SpecError(
            f"--snippet {language}: no such program for positions, which the file gives as shares of the input's "
            "sides; striate predict, or striate.runtime in Python, gives them in pixels of the image"
        )
    alone = "transparency" if contract.mode == "RGBA" else "a range of values (--range)" if contract.value_range else ""
    if alone and language != "python":  # colours are weighed by their opacity in resizing; the others read bytes
        raise SpecError(f"--snippet {language}: of images with {alone} there is a program in python alone")
    kind = "image" if contract.mode in IMAGES else "other"
    template = Path(__file__).parent / "templates" / f"{kind}.{ENDINGS[language]}.txt"
    words = _words(contract, language) | {"FILE": name.replace("\\", "\\\\").replace('"', '\\"')}
    if kind == "image":
        words |= _of_images(contract, language)
    elif language == "python":
        words["PLACE"] = _TEXT.format(contract.input[0]) if contract.mode == "text" else _VALUES[contract.mode]

    def put(match: re.Match[str]) -> str:
        indent = " " * (match.start() - match.string.rfind("\n", 0, match.start()) - 1)
        return words[match[1]].replace("\n", f"\n{indent}")

    return re.sub(r"@([A-Z]+)@", put, template.read_text(encoding="utf-8"))


def _words(contract: Contract, language: str) -> dict[str, str]:
    """What stands in the programs of all items."""
    shape = ", ".join(map(str, contract.input))
    takes = {"text": "word numbers: 1 is a word that is not known, 0 fills the end"}
    types = {"text": ("int64", "BigInt64Array.from(numbers.flat(9).map(BigInt))", "int64_t")}
    types |= {"values": ("float32", "Float32Array.from(numbers.flat(9))", "float")}
    of_js, array, of_cpp = types.get(contract.mode, ("uint8", "Uint8Array.from(numbers.flat(9))", "uint8_t"))
    classes = [json.dumps(name, ensure_ascii=False) for name in contract.classes]
    brackets = "{}" if language == "cpp" else "[]"
    return {
        "CLASSES": f"{brackets[0]}{', '.join(classes)}{brackets[1]}",
        "SHAPE": shape,
        "COUNT": str(prod(contract.input)),
        "TYPE": of_js,
        "TAKES": f"{of_js} (N, {shape}): {takes.get(contract.mode, 'the values as they were for training')}",
        "ARRAY": of_cpp if language == "cpp" else array,
        "FIRST": "probabilities" if contract.task.activation else "values",
        "ANSWER": _answer(contract, language),
    }


def _of_images(contract: Contract, language: str) -> dict[str, str]:
    channels, height, width = contract.input
    words = {
        "MODE": (_IN_RANGE if contract.value_range else _DEEP)
        + ("" if contract.mode == "RGBA" else _ON_BLACK)
        + f'image = image.convert("{contract.mode}")',
        "CHANNELS": str(channels),
        "HEIGHT": str(height),
        "WIDTH": str(width),
    }
    weights = "" if language == "python" else _weights(contract, language)
    return words | {"PLACE": placing(contract, language), "WEIGHTS": weights}


def placing(contract: Contract, language: str = "python") -> str:
    """The lines that bring an ``image`` into the network's input, by the contract's rule."""
    _, height, width = contract.input
    method = f"Image.Resampling.{contract.interpolation.upper()}"
    text = _PLACES[language][contract.resize if contract.scale_to is None else "scale"]
    about = {"W": width, "H": height, "S": contract.scale_to, "MODE": contract.mode, "METHOD": method}
    for name, value in about.items():
        text = re.sub(rf"\${name}\b", str(value), text)
    return text


# ------------------------------------------------------------------------------------------------------------- Python
_ON_BLACK = """if image.has_transparency_data:  # what is transparent shows black behind it
    black = Image.new("RGBA", image.size, (0, 0, 0, 255))
    image = Image.alpha_composite(black, image.convert("RGBA"))
"""
_DEEP = """if image.mode == "F" or (image.mode == "I" and not 0 <= np.min(image) <= np.max(image) <= 65535):
    raise ValueError(f"{path}: the range of its values is unknown; save it with 8 or 16 bits")
if image.mode.startswith("I"):  # 16 bits become 8
    image = Image.fromarray(((np.asarray(image).astype(np.int32) + 128) // 257).astype(np.uint8))
"""
_IN_RANGE = """if image.mode.startswith(("I", "F")):  # more than 8 bits: the range becomes 0 to 255
    low, high = contract["value_range"]
    values = (np.asarray(image).astype(np.float64) - low) * (255 / (high - low))
    values = np.clip(np.nan_to_num(values, nan=0, posinf=255, neginf=0), 0, 255)
    image = Image.fromarray(np.rint(values).astype(np.uint8))
"""
_PYTHON = {
    "stretch": "image = image.resize(($W, $H), $METHOD)",
    "crop": "image = ImageOps.fit(image, ($W, $H), $METHOD)",
    "fit": """width, height = image.size
scale = min($W / width, $H / height)
inside = max(1, round(width * scale)), max(1, round(height * scale))
canvas = Image.new("$MODE", ($W, $H))  # black around it
canvas.paste(image.resize(inside, $METHOD), (($W - inside[0]) // 2, ($H - inside[1]) // 2))
image = canvas""",
    "scale": """width, height = image.size
w, h = min(width, 8 * height), min(height, 8 * width)  # of a strip its middle
left, top = round((width - w) / 2), round((height - h) / 2)
image, width, height = image.crop((left, top, left + w, top + h)), w, h
longer = int($S * max(width, height) / min(width, height))
width, height = ($S, longer) if width <= height else (longer, $S)
left, top = round((width - $W) / 2), round((height - $H) / 2)
image = image.resize((width, height), $METHOD).crop((left, top, left + $W, top + $H))""",
}
_VALUES = {
    "values": "return np.load(item).astype(np.float32)  # a .npy file, its values as they were for training",
    "channels": "return np.load(item)  # a .npy file of bytes, channels first, in the contract's size",
}
_TEXT = r"""# of Latin letters: words, numbers and marks apart; can't is ca and n't
word = r"\d+(?:[.,]\d+)+(?!\w)|\w+?(?=n't(?!\w))|n't(?!\w)|'(?:s|ve|re|d|ll|m)(?!\w)|\w+|[^\w\s]"
known = {{word: number for number, word in enumerate(contract["vocabulary"], 2)}}
numbers = [known.get(found, 1) for found in re.findall(word, item.lower())][:{0}]
return np.array(numbers + [0] * ({0} - len(numbers)))"""


def _answer(contract: Contract, language: str) -> str:
    """What is printed of one item."""
    task, area = contract.task, prod(contract.input[1:])
    if language != "python":
        return (_JS if language == "js" else _CPP)["pixels" if task.per_pixel else "outputs"].replace(
            "$AREA", str(area)
        )
    if task.per_pixel:
        return """mask = output.argmax(0)  # the class number of every pixel
print(path, {contract["classes"][i]: f"{(mask == i).mean():.1%}" for i in np.unique(mask)})"""
    if task.exclusive:
        said = 'print(path, contract["classes"][best], f"{output[best]:.4f}")'
        if contract.threshold:
            unknown = 'if output[best] < contract["threshold"]:\n    print(path, "unknown")'
            said = f"{unknown}\nelse:\n    {said}"
        return f"best = output.argmax()\n{said}"
    return 'print(path, dict(zip(contract["classes"], output.tolist())))'


# ------------------------------------------------------------------------------------------------- JavaScript and C++
_JS = {
    "pixels": """const at = (c, i) => output[c * $AREA + i];
const best = (i) => CLASSES.reduce((b, _, c) => (at(c, i) > at(b, i) ? c : b), 0);
const mask = Array.from({ length: $AREA }, (_, i) => best(i)); // the class number of every pixel
CLASSES.forEach((name, c) => console.log(name, mask.filter((m) => m === c).length / $AREA));""",
    "outputs": "CLASSES.forEach((name, i) => console.log(name, output[i]));",
}
_CPP = {
    "pixels": """const int count = sizeof CLASSES / sizeof *CLASSES;
std::vector<int> pixels_of(count);
for (int i = 0; i < $AREA; i++) {
  int best = 0; // the class number of this pixel
  for (int c = 1; c < count; c++) if (output[c * $AREA + i] > output[best * $AREA + i]) best = c;
  pixels_of[best]++;
}
for (int c = 0; c < count; c++) std::cout << CLASSES[c] << " " << pixels_of[c] / $AREA.0 << "\\n";""",
    "outputs": """for (const char* name : CLASSES) std::cout << name << " " << *output++ << "\\n";""",
}
_PLACES_JS = {  # of C++ the same with its own declarations
    "stretch": "const box = [0, 0, width, height], inside = [W, H], at = [0, 0];",
    "crop": """const w = Math.min(width, height * W / H), h = Math.min(height, width * H / W);
const x = (width - w) / 2, y = (height - h) / 2;
const box = [x, y, x + w, y + h], inside = [W, H], at = [0, 0];""",
    "fit": """const scale = Math.min(W / width, H / height), box = [0, 0, width, height];
const even = (n) => n % 1 === 0.5 ? 2 * Math.round(n / 2) : Math.round(n); // a half goes to the even number
const inside = [width, height].map((side) => Math.max(1, even(side * scale)));
const at = [(W - inside[0]) >> 1, (H - inside[1]) >> 1];""",
    "scale": """const half = (n) => n % 2 ? 2 * Math.floor((n + 1) / 4) : n / 2; // of two margins the even one is first
const w = Math.min(width, 8 * height), h = Math.min(height, 8 * width); // of a strip its middle
const x = half(width - w), y = half(height - h), longer = Math.floor($S * Math.max(w, h) / Math.min(w, h));
const box = [x, y, x + w, y + h], inside = w <= h ? [$S, longer] : [longer, $S];
const at = [-half(inside[0] - W), -half(inside[1] - H)];""",
}
_PLACES_CPP = {
    "stretch": """const std::array<double, 4> box{0, 0, double(width), double(height)};
const std::array<int, 2> inside{W, H}, at{0, 0};""",
    "crop": """const double w = std::min(double(width), double(height) * W / H);
const double h = std::min(double(height), double(width) * H / W);
const double left = (width - w) / 2, top = (height - h) / 2;
const std::array<double, 4> box{left, top, left + w, top + h};
const std::array<int, 2> inside{W, H}, at{0, 0};""",
    "fit": """const double scale = std::min(double(W) / width, double(H) / height);
const std::array<double, 4> box{0, 0, double(width), double(height)};
const auto scaled = [&](int side) { return std::max(1, int(std::nearbyint(side * scale))); };
const std::array<int, 2> inside{scaled(width), scaled(height)};
const std::array<int, 2> at{(W - inside[0]) / 2, (H - inside[1]) / 2};""",
    "scale": """const auto half = [](int n) { return n % 2 ? 2 * ((n + 1) / 4) : n / 2; }; // of margins the even one
const int w = std::min(width, 8 * height), h = std::min(height, 8 * width); // of a strip its middle
const int left = half(width - w), top = half(height - h), longer = int(double($S) * std::max(w, h) / std::min(w, h));
const std::array<double, 4> box{double(left), double(top), double(left + w), double(top + h)};
const std::array<int, 2> inside{w <= h ? $S : longer, w <= h ? longer : $S};
const std::array<int, 2> at{-half(inside[0] - W), -half(inside[1] - H)};""",
}
_PLACES = {"python": _PYTHON, "js": _PLACES_JS, "cpp": _PLACES_CPP}
_FILTERS = {  # name: how far it reaches, in output pixels, and its value at the distance x
    "bilinear": (1, "x < 1 ? 1 - x : 0"),
    "bicubic": (2, "x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0"),
}


def _weights(contract: Contract, language: str) -> str:
    """The body of the loop over output pixels: the first input pixel, and the weights from there on."""
    if contract.interpolation == "nearest":
        if language == "js":
            return "return [Math.min(Math.floor(middle), from - 1), [1]];"
        return "all.push_back({std::min(int(middle), from - 1), {1}});"
    reach, value = _FILTERS[contract.interpolation]
    if language == "js":
        return f"""const first = Math.max(0, Math.floor(middle - {reach} * wide + 0.5));
const end = Math.min(from, Math.floor(middle + {reach} * wide + 0.5));
const raw = Array.from({{ length: end - first }}, (_, k) => {{
  const x = Math.abs((first + k - middle + 0.5) / wide);
  return {value};
}});
const sum = raw.reduce((a, b) => a + b, 0);
return [first, raw.map((v) => v / sum)];"""
    return f"""const int first = std::max(0, int(middle - {reach} * wide + 0.5));
const int end = std::min(from, int(middle + {reach} * wide + 0.5));
std::vector<double> w;
double sum = 0;
for (int k = first; k < end; k++) {{
  const double x = std::abs((k - middle + 0.5) / wide);
  w.push_back({value});
  sum += w.back();
}}
for (auto& v : w) v /= sum;
all.push_back({{first, w}});"""
