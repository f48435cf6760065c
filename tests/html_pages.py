"""Reading a page as a browser would, without one."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "img", "input", "br", "link"}


class Reader(HTMLParser):
    """Collects addresses, ids and text; fails on elements that do not nest."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.addresses, self.ids, self.text, self.scripts = [], [], [], [], []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.addresses += [(tag, values[name]) for name in ("src", "href", "action") if name in values]
        self.ids += [values["id"]] if "id" in values else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.scripts if self.open and self.open[-1] in ("script", "style") else self.text).append(data)


def read(path):
    """A page that was read whole."""
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    assert reader.open == []
    return reader
