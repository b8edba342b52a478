"""`mantlet guard redact` beside independent generators and checkers of numbers: Faker, python-stdnum, phonenumbers."""

import datetime
import importlib
import json
import random
import string
import subprocess

import faker
import phonenumbers
import pytest

from conftest import BINARY, clean_environment

EACH = 40


def redact(texts):
    """What the command finds in each text, as pairs of bytes."""
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    out = subprocess.run(
        [BINARY, "guard", "redact"], input=lines, capture_output=True, text=True, check=True,
        env=clean_environment(), timeout=120,
    ).stdout
    answers = [json.loads(line) for line in out.rstrip("\n").split("\n")]
    assert len(answers) == len(texts)
    return [answer["found"] for answer in answers]


def fake(locale, method, seed=5):
    made = faker.Faker(locale)
    made.seed_instance(seed)
    return getattr(made, method)


def valid(module, make, seed=5):
    """Makes candidates until python-stdnum accepts one."""
    check = importlib.import_module(f"stdnum.{module}").is_valid
    rng = random.Random(seed)
    return lambda: next(text for text in iter(lambda: make(rng), None) if check(text))


def digits(count, first=string.digits):
    return lambda rng: rng.choice(first) + "".join(rng.choices(string.digits, k=count - 1))


def dated(form, after):
    """A date of birth and so many digits."""
    def make(rng):
        day = datetime.date(1940, 1, 1) + datetime.timedelta(days=rng.randrange(22_000))
        return day.strftime(form) + "".join(rng.choices(string.digits, k=after))
    return make


def phone(region, form):
    example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    rng = random.Random(5)

    def make():
        national = str(example.national_number)
        tail = "".join(rng.choices(string.digits, k=len(national) - 4))
        number = phonenumbers.PhoneNumber(example.country_code, int(national[:4] + tail))
        return phonenumbers.format_number(number, form)
    return make


# What is generated, and what stands before it.
KINDS = {
    "email": (fake("en_US", "email"), "Mail"),
    "card": (fake("en_US", "credit_card_number"), "Card"),
    "iban de": (fake("de_DE", "iban"), "IBAN"),
    "iban gb": (fake("en_GB", "iban"), "Konto"),
    "iban fr": (fake("fr_FR", "iban"), "pay to"),
    "ipv4": (fake("en_US", "ipv4_public"), "login from"),
    "ipv6": (fake("en_US", "ipv6"), "login from"),
    "mac": (fake("en_US", "mac_address"), "device"),
    "us ssn": (fake("en_US", "ssn"), "SSN"),
    "es nie": (fake("es_ES", "nie"), "NIE"),
    "it codice fiscale": (fake("it_IT", "ssn"), "CF"),
    "pl pesel": (fake("pl_PL", "pesel"), "PESEL"),
    "se personnummer": (fake("sv_SE", "ssn"), "personnummer"),
    "fi hetu": (fake("fi_FI", "ssn"), "HETU"),
    "no fødselsnummer": (fake("no_NO", "ssn"), "fødselsnummer"),
    "ch ahv": (fake("de_CH", "ssn"), "AHV"),
    "br cpf": (fake("pt_BR", "cpf"), "CPF"),
    "br cnpj": (fake("pt_BR", "cnpj"), "CNPJ"),
    "cn id": (fake("zh_CN", "ssn"), "身份证号"),
    "ca sin": (fake("en_CA", "ssn"), "SIN"),
    "uk nhs": (valid("gb.nhs", digits(10)), "NHS number"),
    "nl bsn": (valid("nl.bsn", digits(9)), "BSN"),
    "in aadhaar": (valid("in_.aadhaar", digits(12, "23456789")), "Aadhaar"),
    "au tfn": (valid("au.tfn", digits(9)), "TFN"),
    "au abn": (valid("au.abn", digits(11, "123456789")), "ABN"),
    "be nn": (valid("be.nn", dated("%y%m%d", 5)), "rijksregisternummer"),
    "tr tckn": (valid("tr.tckimlik", digits(11, "123456789")), "TCKN"),
    "ro cnp": (valid("ro.cnp", lambda rng: rng.choice("12") + dated("%y%m%d", 6)(rng)), "CNP"),
    "phone us": (phone("US", phonenumbers.PhoneNumberFormat.NATIONAL), "call"),
    "phone gb": (phone("GB", phonenumbers.PhoneNumberFormat.NATIONAL), "phone"),
    "phone de": (phone("DE", phonenumbers.PhoneNumberFormat.INTERNATIONAL), "reach me under"),
    "phone in": (phone("IN", phonenumbers.PhoneNumberFormat.E164), "or"),
}


def covered(found, start, end):
    return any(one["start"] <= start + 1 and one["end"] >= end - 1 for one in found)


@pytest.mark.parametrize("kind", KINDS)
def test_generated_numbers_are_found(kind):
    make, before = KINDS[kind]
    values = [make() for _ in range(EACH)]
    texts = [f"{before}: {value}, thanks." for value in values]
    starts = [len(f"{before}: ".encode())] * EACH
    found = redact(texts)
    missed = [
        text for text, value, start, one in zip(texts, values, starts, found, strict=True)
        if not covered(one, start, start + len(value.encode()))
    ]
    assert len(missed) <= EACH * 0.03, missed


def test_numbers_of_nobody_stay():
    rng = random.Random(7)

    def some(count, letters=string.digits):
        return "".join(rng.choices(letters, k=count))

    makers = [
        lambda: f"Order number {some(rng.randint(8, 14))} shipped.",
        lambda: f"Order #{some(3)}-{some(7)}-{some(7)}",
        lambda: f"timestamp {rng.randrange(1_500_000_000, 1_900_000_000)}",
        lambda: f"version {rng.randrange(30)}.{rng.randrange(30)}.{rng.randrange(30)}.{rng.randrange(30)}",
        lambda: f"commit {some(40, '0123456789abcdef')}",
        lambda: f"sha256 {some(64, '0123456789abcdef')}",
        lambda: f"id {some(8, '0123456789abcdef')}-{some(4)}-4{some(3)}-a{some(3)}-{some(12)}",
        lambda: f"ISBN 978-{some(1)}-{some(2)}-{some(6)}-{some(1)}",
        lambda: f"revenue of ${some(3)},{some(3)},{some(3)}.{some(2)}",
        lambda: f"part no. {some(3)}-{some(4)}-{some(3)}",
        lambda: f"zip {some(5)}-{some(4)}",
        lambda: f"coordinates {some(2)}.{some(6)}, -{some(2)}.{some(6)}",
        lambda: f"pi is 3.{some(20)}",
        lambda: f"on 20{some(2)}-03-1{some(1)}T1{some(1)}:22:33Z",
        lambda: f"arXiv:{some(4)}.{some(5)}, doi 10.{some(4)}/{some(8)}",
    ]
    texts = [rng.choice(makers)() for _ in range(3000)]
    wrong = [text for text, found in zip(texts, redact(texts), strict=True) if found]
    assert len(wrong) <= 3, wrong


def test_a_line_that_cannot_be_read_has_an_error_in_its_place():
    done = subprocess.run(
        [BINARY, "guard", "redact"], input='{"text":"a@example.org"}\n{\n{"text":"é b@example.org"}\n',
        capture_output=True, text=True, env=clean_environment(), timeout=60,
    )
    first, second, third = (json.loads(line) for line in done.stdout.splitlines())
    assert first == {"text": "[EMAIL]", "found": [{"kind": "email", "start": 0, "end": 13}]}
    assert list(second) == ["error"]
    assert third["text"] == "é [EMAIL]" and third["found"][0]["start"] == 3
    assert done.returncode == 2
