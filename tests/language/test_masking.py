"""What must go and what must stay. Numbers are those that are published as examples or reserved for them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recloop.language.masking import _IBAN, mask, masked


@pytest.mark.parametrize(
    "address",
    ["ann@example.org", "ann.o'brien+shop@mail.example.co.uk", "a_b-c%d@sub.example.com", "zoë@münchen.example",
     "x@xn--mnchen-3ya.example", "用户@例子.广告", "UPPER@EXAMPLE.COM"],
)  # fmt: skip
def test_addresses(address: str) -> None:
    assert mask(f"Write to {address}, please.") == "Write to [email], please."
    assert mask(f"<{address}>") == "<[email]>"


@pytest.mark.parametrize("text", ["meet @ 5", "@handle", "a@b", "price @9.99 each", "user@localhost", "1@2.3"])
def test_what_is_no_address(text: str) -> None:
    assert mask(text) == text


# the examples of the IBAN registry
IBANS = (
    "GB29 NWBK 6016 1331 9268 19", "DE89 3704 0044 0532 0130 00", "FR14 2004 1010 0505 0001 3M02 606",
    "NL91 ABNA 0417 1643 00", "CH93 0076 2011 6238 5295 7", "NO93 8601 1117 947", "BE68 5390 0754 7034",
    "MT84 MALT 0110 0001 2345 MTLC AST0 01S", "SA03 8000 0000 6080 1016 7519", "BR18 0036 0305 0000 1000 9795 493C 1",
    "AT61 1904 3002 3457 3201", "ES91 2100 0418 4502 0005 1332", "IT60 X054 2811 1010 0000 0123 456",
    "PL61 1090 1014 0000 0712 1981 2874", "SE45 5000 0000 0583 9825 7466", "TR33 0006 1005 1978 6457 8413 26",
)  # fmt: skip


@pytest.mark.parametrize("number", IBANS)
def test_bank_accounts(number: str) -> None:
    for written in (number, number.replace(" ", ""), number.replace(" ", "-"), number.lower()):
        assert mask(f"pay to {written}.") == "pay to [iban]."
        assert mask(f"{written} and then more words 12") == "[iban] and then more words 12"
    wrong = number[:-1] + ("0" if number[-1] != "0" else "1")
    assert "[iban]" not in mask(wrong)
    assert "[iban]" not in mask(f"A{number}")


def test_the_registry_has_sane_lengths() -> None:
    assert all(15 <= int(length) <= 33 for length in _IBAN.values())
    assert all(len(number.replace(" ", "")) == int(_IBAN[number[:2]]) for number in IBANS)


# numbers that payment companies publish for tests
CARDS = (
    "4111 1111 1111 1111", "4012888888881881", "4222222222222", "5555-5555-5555-4444", "5105105105105100",
    "2223003122003222", "378282246310005", "3714 496353 98431", "6011111111111117", "3530111333300000",
    "30569309025904", "6304000000000000",
)  # fmt: skip


@pytest.mark.parametrize("number", CARDS)
def test_cards(number: str) -> None:
    assert mask(f"my card {number}!") == "my card [card]!"
    last = str((int(number[-1]) + 1) % 10)
    assert mask(f"my order {number[:-1]}{last}") == f"my order {number[:-1]}{last}"


@pytest.mark.parametrize(
    "number",
    ["+49 30 1234567", "+49 (0)30 1234567", "+1 (202) 555-0123", "+12025550123", "+44 20 7946 0958", "+33 1 99 00 12 34",
     "0033 1 99 00 12 34", "0049301234567", "+91 98765 43210", "+81-3-1234-5678", "+55 11 91234-5678", "+86 138 0013 8000",
     "+971 50 123 4567", "+358 9 1234 5678", "(202) 555-0123", "202-555-0123", "202.555.0123", "1-202-555-0123",
     "030 1234567", "0171/1234567", "01 99 00 12 34", "020 7946 0958", "07700 900123", "(030) 1234567", "03-1234-5678",
     "+٤٩ ٣٠ ١٢٣٤٥٦٧", "+49\u00a030\u00a01234567"],
)  # fmt: skip
def test_telephone_numbers(number: str) -> None:
    assert mask(f"call {number}, please") == "call [phone], please"
    assert mask(f"{number}\nnext") == "[phone]\nnext"


@pytest.mark.parametrize("word", ["Tel.", "phone:", "call me at", "WhatsApp", "mobile", "Telefon", "fax:"])
def test_digits_that_a_word_calls_a_telephone_number(word: str) -> None:
    assert mask(f"{word} 5550123") == f"{word} [phone]"
    assert mask(f"{word} 2025550123 thanks") == f"{word} [phone] thanks"


@pytest.mark.parametrize(
    "address",
    ["192.0.2.7", "255.255.255.255", "10.0.0.1", "2001:db8::1", "2001:0db8:0000:0000:0000:ff00:0042:8329", "fe80::1ff:fe23",
     "::ffff:192.0.2.128", "2001:DB8:0:0:8:800:200C:417A"],
)  # fmt: skip
def test_network_addresses(address: str) -> None:
    assert mask(f"from {address}, twice") == "from [ip], twice"
    assert mask(f"({address})") == "([ip])"


@pytest.mark.parametrize(
    "text",
    [
        "Order 123456789012 came late",
        "order 4111 1111 1111 1112",  # fails Luhn
        "order #0301234567",
        "invoice no. 0049301234567",
        "Bestellung 0171234567",
        "from the 1990s, 1994-1999, and 2024",
        "2024-01-15 10:30:45",
        "01.02.2024 10:30",
        "01/02/2024 - 03/02/2024",
        "it costs 1,234,567.89 or 19.99 €",
        "1 234 567,89 kr",
        "ISBN 978-3-16-148410-0 and 0-306-40615-2",
        "version 1.2.3.4 and v10.0.19041.1",
        "300.1.2.3 and 1.2.3 and 1.2.3.4.5",
        "at 12:30:45, score 3:2, ratio 16:9",
        "std::add, a::b, C++ ::before",
        "1700000000000 and 1700000000",
        "10/10, 5 stars, 100%, -273.15, 6.022e23",
        "4K 1080p 60Hz 128GB",
        "seats 12 13 14 15 16 17",
        "call 911",
        "0000000000000000",
        "room 101, +5 to +10, 24/7",
        "SKU AB-0301234567",
        "MAC 00:1A:2B:3C:4D:5E",
    ],
)
def test_what_stays(text: str) -> None:
    assert mask(text) == text


def test_several_in_one_text_and_many_texts() -> None:
    text = "I am ann@example.org (+1 202 555 0123), card 4111111111111111, IBAN DE89370400440532013000, IP 192.0.2.7."
    assert mask(text) == "I am [email] ([phone]), card [card], IBAN [iban], IP [ip]."
    assert masked([text, "fine"]) == [mask(text), "fine"]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_masking_twice_changes_nothing_and_letters_alone_stay(text: str) -> None:
    once = mask(text)
    assert mask(once) == once
    if "@" not in text and not any(sign.isdigit() for sign in text):
        assert once == text


@pytest.mark.parametrize(
    "text",
    ["1 " * 5000, "a" * 10_000, "a@" * 5000, "0" * 10_000, "1." * 5000, ":" * 10_000, "+1(" * 3333, "DE89" * 2500,
     "a." * 4000 + "@", "call " * 2000 + "1", "ab:" * 3000],
)  # fmt: skip
def test_no_text_takes_long(text: str) -> None:
    """Milliseconds; a pattern that tries every way to read these would not come back."""
    assert len(mask(text)) <= 2 * len(text)
