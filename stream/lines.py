"""Text of others on our own lines: a line of a log or of an error stays one line, and does nothing to a terminal."""


def one_line(text: str) -> str:
    r"""Return `text` with everything escaped that isn't plainly visible, as Python writes it: a new line as `\n`.

    Line breaks would forge a line, escape sequences steer a terminal, and bidirectional controls turn a line round.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def own_lines(text: str) -> str:
    """Return `text` with its line breaks kept and everything else escaped as in `one_line`; for tracebacks."""
    return "\n".join(map(one_line, text.split("\n")))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
