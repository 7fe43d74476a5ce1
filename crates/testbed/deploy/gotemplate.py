"""As much of Helm's template language as the chart in deploy/helm uses.

Not Helm: a chart that renders here could still use a function that Helm lacks. The functions below are those of Go's
text/template and Sprig by the same names; anything else is an error, so the chart can't drift out of what is known here.
"""

import hashlib
import re

import yaml

ACTION = re.compile(r"\{\{(-?)\s*(/\*.*?\*/|.*?)\s*(-?)\}\}", re.S)
TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|\(|\)|\||[^\s()|]+)')


class Error(Exception):
    """The template is wrong."""


def tokens(template):
    """Alternating texts and actions, spaces trimmed where an action asks for it."""
    out, at, trim = [], 0, False
    for match in ACTION.finditer(template):
        text = template[at : match.start()]
        text = text.lstrip() if trim else text
        out.append(("text", text.rstrip() if match[1] else text))
        if not match[2].startswith("/*"):
            out.append(("action", match[2]))
        at, trim = match.end(), bool(match[3])
    text = template[at:]
    out.append(("text", text.lstrip() if trim else text))
    return out


def parse(items, until=()):
    """A list of nodes up to one of the words in `until`, and that action."""
    nodes = []
    while items:
        kind, value = items.pop(0)
        word = value.split(" ", 1)[0]
        if kind == "text":
            nodes.append(("text", value))
        elif word in until:
            return nodes, value
        elif word in ("if", "with"):
            nodes.append(branch(word, value.split(" ", 1)[1], items))
        elif word == "define":
            body, _ = parse(items, ("end",))
            nodes.append(("define", value.split('"')[1], body))
        elif word in ("else", "end", "range", "block", "template"):
            raise Error(f"unexpected {value!r}")
        else:
            nodes.append(("print", value))
    if until:
        raise Error(f"no {until}")
    return nodes, None


def branch(word, condition, items):
    body, end = parse(items, ("else", "end"))
    other = []
    if end.startswith("else if "):
        other = [branch("if", end.removeprefix("else if "), items)]
    elif end == "else":
        other, _ = parse(items, ("end",))
    return (word, condition, body, other)


class Chart:
    """The templates of a chart, and what they are rendered with."""

    def __init__(self, folder, values, release):
        metadata = yaml.safe_load((folder / "Chart.yaml").read_text())
        self.folder = folder
        self.root = {
            "Values": values,
            "Chart": {name[0].upper() + name[1:]: value for name, value in metadata.items()},
            "Release": {"Service": "Helm", **release},
            "Files": self,
        }
        self.defined = {}
        self.templates = {}
        for path in sorted((folder / "templates").iterdir()):
            nodes, _ = parse(tokens(path.read_text()))
            self.defined.update({node[1]: node[2] for node in nodes if node[0] == "define"})
            self.templates[path.name] = nodes

    def render(self):
        """Every rendered template by its name, helpers aside."""
        names = [name for name in self.templates if not name.startswith("_")]
        return {name: self.run(self.templates[name], self.root) for name in names}

    def run(self, nodes, dot):
        out = []
        for node in nodes:
            if node[0] == "text":
                out.append(node[1])
            elif node[0] == "print":
                out.append(show(self.evaluate(node[1], dot)))
            elif node[0] in ("if", "with"):
                value = self.evaluate(node[1], dot)
                inner = value if node[0] == "with" and value else dot
                out.append(self.run(node[2] if value else node[3], inner))
        return "".join(out)

    def evaluate(self, text, dot):
        words = TOKEN.findall(text)
        if "".join(words) != re.sub(r'\s+(?=(?:[^"]*"[^"]*")*[^"]*$)', "", text):
            raise Error(f"can't read {text!r}")
        value = self.pipeline(words, dot)
        if words:
            raise Error(f"{words} left in {text!r}")
        return value

    def pipeline(self, words, dot):
        value = self.command(words, dot, [])
        while words and words[0] == "|":
            words.pop(0)
            value = self.command(words, dot, [value])
        return value

    def command(self, words, dot, piped):
        first, arguments = words.pop(0), []
        callee = first if first != "(" and not re.match(r'[.$"\d-]', first) else None
        if first == ".Files.Get":
            callee = first
        elif callee is None:
            words.insert(0, first)
            value = self.operand(words, dot)
            if piped:
                raise Error(f"{first} is no function")
            return value
        while words and words[0] not in ("|", ")"):
            arguments.append(self.operand(words, dot))
        return self.call(callee, arguments + piped, dot)

    def operand(self, words, dot):
        word = words.pop(0)
        if word == "(":
            value = self.pipeline(words, dot)
            if words.pop(0) != ")":
                raise Error("no )")
            return value
        if word.startswith('"'):
            return word[1:-1].replace('\\"', '"')
        if re.fullmatch(r"-?\d+", word):
            return int(word)
        if word.startswith((".", "$")):
            value = self.root if word.startswith("$") else dot
            for name in filter(None, word.removeprefix("$").split(".")):
                # As with `--strict`: a name that is not there is a mistake of the chart.
                if name not in value:
                    raise Error(f"{word}: no {name}")
                value = value[name]
            return value
        raise Error(f"unknown operand {word!r}")

    def call(self, name, arguments, dot):
        if name == "include":
            return self.run(self.defined[arguments[0]], arguments[1])
        if name == ".Files.Get":
            return (self.folder / arguments[0]).read_text()
        if name not in FUNCTIONS:
            raise Error(f"unknown function {name!r}")
        return FUNCTIONS[name](*arguments)


def show(value):
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or isinstance(value, (dict, list)):
        raise Error(f"{value!r} is no text")
    return str(value)


def indent(count, text):
    return "\n".join(" " * count + line for line in text.split("\n"))


FUNCTIONS = {
    "add": lambda *numbers: sum(int(number) for number in numbers),
    "contains": lambda part, text: part in text,
    "default": lambda value, given: given if given else value,
    "indent": indent,
    "int": int,
    "nindent": lambda count, text: "\n" + indent(count, text),
    "not": lambda value: not value,
    "printf": lambda form, *values: form % values,
    "quote": lambda value: '"' + show(value).replace("\\", "\\\\").replace('"', '\\"') + '"',
    "sha256sum": lambda text: hashlib.sha256(text.encode()).hexdigest(),
    "toYaml": lambda value: yaml.safe_dump(value, default_flow_style=False).rstrip("\n"),
    "trimSuffix": lambda end, text: text.removesuffix(end),
    "trunc": lambda count, text: text[:count],
}
