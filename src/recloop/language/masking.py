"""What tells who somebody is, taken out of free text: addresses and numbers, each by its own rule."""

import re
from collections.abc import Iterable
from ipaddress import ip_address

# total length by country: the IBAN registry of ISO 13616
_IBAN = dict(
    entry.split(":")
    for entry in """
    AD:24 AE:23 AL:28 AT:20 AZ:28 BA:20 BE:16 BG:22 BH:22 BI:27 BR:29 BY:28 CH:21 CR:22 CY:28 CZ:24 DE:22 DJ:27 DK:18
    DO:28 EE:20 EG:29 ES:24 FI:18 FK:18 FO:18 FR:27 GB:22 GE:22 GI:23 GL:18 GR:27 GT:28 HR:21 HU:28 IE:22 IL:23 IQ:23
    IS:26 IT:27 JO:30 KW:30 KZ:20 LB:28 LC:32 LI:21 LT:20 LU:20 LV:21 LY:25 MC:27 MD:24 ME:22 MK:19 MN:20 MR:27 MT:31
    MU:30 NI:28 NL:18 NO:15 OM:23 PK:24 PL:28 PS:29 PT:25 QA:29 RO:24 RS:22 RU:33 SA:24 SC:31 SD:18 SE:24 SI:19 SK:24
    SM:27 SO:23 ST:25 SV:28 TL:23 TN:24 TR:26 UA:29 VA:22 VG:24 XK:20 YE:30
    """.split()  # noqa: SIM905  a table is read more easily than a list of quotes
)
_SEP = r"[ \u00a0\u202f.()/-]{0,3}"
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+'%-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_][\w-]{1,23}")
_BANK = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]{2})\d{2}(?:[ \u00a0-]?[A-Za-z0-9]){11,30}")
_CARD = re.compile(r"(?<![\w.+-])[2-6](?:[ \u00a0-]?\d){12,18}(?![ -]?\d|\w)")
_IPV4 = re.compile(r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?!\.?\w)", re.ASCII)
_IPV6 = re.compile(
    r"(?<![\w:.])(?=[0-9A-Fa-f:.]{0,39}:[0-9A-Fa-f]{0,4}:)[0-9A-Fa-f:]{3,39}(?:\.[0-9.]{5,11})?(?![\w:])"
)
# with a plus or 00; with a trunk 0; of North America, written in groups
_PHONE = re.compile(
    rf"(?<![\w.+/-])(?:\+(?:{_SEP}\d){{8,15}}|00(?:{_SEP}[1-9])(?:{_SEP}\d){{8,12}}"
    rf"|\(?0[1-9](?:{_SEP}\d){{7,10}}"
    r"|(?:1[ .-])?\(?[2-9]\d{2}(?:\) ?|[ .-])[2-9]\d{2}[ .-]\d{4})(?![ .-]?\d|\w)"
)
# seven digits or more that a word before them calls a telephone number
_CALLED = re.compile(
    r"(?i)\b(tel(?:efono|éfono|efon|ephone|\.)?|phone(?: number)?|mobile|cell|fax|whatsapp|call(?: me)?(?: at| on)?"
    r"|handy|portable|móvil|cellulare)(\W{1,3})(\(?\d(?:[ .()/-]{0,2}\d){6,14})(?![ .-]?\d|\w)"
)
_DATE = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(?!\d)")
_THING = re.compile(
    r"(?i)(?:#|№|\b(?:order|invoice|article|item|product|part|serial|sku|isbn|ean|upc|gtin|ref|reference|ticket|case"
    r"|bestellung|rechnung|commande|pedido|ordine)(?: (?:no|nr|number|id|code))?\.?)[ :#]{0,3}$"
)
_VERSION = re.compile(r"(?i)\b(?:version|release|firmware|build|v)\.? ?$")


def mask(text: str) -> str:
    """The text with e-mail addresses, bank accounts, cards, network addresses and telephone numbers replaced.

    An IBAN must have the length of its country and pass modulo 97 (ISO 7064), a card number must pass Luhn's test and
    begin as cards do (ISO/IEC 7812). A telephone number has a plus or a 00, a trunk 0, or the groups of North America,
    or a word before it that says what it is. What a word before it calls an order, an invoice or the like stays.
    Names, streets and dates stay: no pattern tells them.

    Args:
        text: any text in any language.

    >>> mask("Write to ann@example.org or call +49 30 1234567, order 4711-0815 of 2024 for 19.99")
    'Write to [email] or call [phone], order 4711-0815 of 2024 for 19.99'
    >>> mask("GB82 WEST 1234 5698 7654 32 and 4111 1111 1111 1111 from 192.0.2.7")
    '[iban] and [card] from [ip]'
    """
    if "@" in text:
        text = _EMAIL.sub("[email]", text)
    if not _digits(text):
        return text
    for pattern, replace in _RULES:
        text = pattern.sub(replace, text)
    return text


def masked(texts: Iterable[str]) -> list[str]:
    """``mask`` of each text."""
    return [mask(text) for text in texts]


_digits = re.compile(r"\d[\s\S]*\d[\s\S]*\d").search


def _bank(found: re.Match[str]) -> str:
    length, text = int(_IBAN.get(found[1].upper(), 0)), found[0]
    place = taken = 0
    while place < len(text) and taken < length:  # a match may run on into the words after the number
        taken += text[place].isalnum()
        place += 1
    after = (text + found.string[found.end() : found.end() + 1])[place : place + 1]
    if not length or taken < length or after.isalnum() or not _mod97(text[:place]):
        return text
    return f"[iban]{text[place:]}"


def _mod97(text: str) -> bool:
    kept = "".join(filter(str.isalnum, text)).upper()
    return int("".join(str(int(sign, 36)) for sign in kept[4:] + kept[:4])) % 97 == 1


def _card(found: re.Match[str]) -> str:
    digits = [int(sign) for sign in found[0] if sign.isdigit()]
    doubled = (2 * digit - 9 * (digit > 4) for digit in digits[-2::-2])
    begins = digits[0] != 2 or 2221 <= int("".join(map(str, digits[:4]))) <= 2720
    luhn = (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
    return "[card]" if begins and luhn and len(set(digits)) > 1 else found[0]


def _ipv4(found: re.Match[str]) -> str:
    return found[0] if _VERSION.search(found.string[max(0, found.start() - 12) : found.start()]) else "[ip]"


def _ipv6(found: re.Match[str]) -> str:
    text = found[0]
    if sum(map(str.isalnum, text)) < 4 or not any(map(str.isdigit, text)):  # such as a::b, which is more likely code
        return text
    try:
        ip_address(text.removesuffix(":"))
    except ValueError:
        return text
    return "[ip]"


def _phone(found: re.Match[str]) -> str:
    before = found.string[max(0, found.start() - 24) : found.start()]
    return found[0] if _DATE.match(found[0]) or _THING.search(before) else "[phone]"


def _called(found: re.Match[str]) -> str:
    return found[0] if _DATE.match(found[3]) else f"{found[1]}{found[2]}[phone]"


_RULES = ((_BANK, _bank), (_IPV6, _ipv6), (_IPV4, _ipv4), (_CARD, _card), (_PHONE, _phone), (_CALLED, _called))
