"""`mantlet guard redact` beside independent generators and checkers of numbers: Faker, python-stdnum, phonenumbers, schwifty."""

import contextlib
import datetime
import importlib
import itertools
import json
import random
import re
import string
import subprocess

import faker
import phonenumbers
import pytest
from schwifty import registry
from schwifty.exceptions import InvalidCountryCode

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
    "fr nir": (valid("fr.nir", lambda rng: rng.choice("12") + dated("%y%m", 0)(rng) + f"{rng.randint(1, 95):02}" + digits(8)(rng)), "NIR"),
    "de steuer-id": (valid("de.idnr", digits(11, "123456789")), "Steuer-ID"),
    "dk cpr": (valid("dk.cpr", dated("%d%m%y", 4)), "CPR"),
    "ee isikukood": (valid("ee.ik", lambda rng: rng.choice("34") + dated("%y%m%d", 4)(rng)), "isikukood"),
    "hr oib": (valid("hr.oib", digits(11)), "OIB"),
    "bg egn": (valid("bg.egn", dated("%y%m%d", 4)), "EGN"),
    "pl nip": (valid("pl.nip", digits(10, "123456789")), "NIP"),
    "pt nif": (valid("pt.nif", digits(9, "123")), "NIF"),
    "gr amka": (valid("gr.amka", dated("%d%m%y", 5)), "AMKA"),
    "za id": (valid("za.idnr", lambda rng: dated("%y%m%d", 4)(rng) + rng.choice("01") + "8" + digits(1)(rng)), "ID number"),
    "kr rrn": (valid("kr.rrn", lambda rng: dated("%y%m%d", 0)(rng) + rng.choice("12") + digits(6)(rng)), "RRN"),
    "ar cuit": (valid("ar.cuit", lambda rng: rng.choice(["20", "27"]) + digits(9)(rng)), "CUIT"),
    "il id": (valid("il.idnr", digits(9, "123456789")), "Teudat Zehut"),
    "th id": (valid("th.pin", digits(13, "12345678")), "Thai ID"),
    "cz rč": (valid("cz.rc", dated("%y%m%d", 4)), "rodné číslo"),
    "is kennitala": (valid("is_.kennitala", lambda rng: dated("%d%m%y", 3)(rng) + "9"), "kennitala"),
    "at svnr": (valid("at.vnr", lambda rng: digits(4, "123456789")(rng) + dated("%d%m%y", 0)(rng)), "SVNR"),
    "es dni": (valid("es.dni", lambda rng: digits(8)(rng) + rng.choice("TRWAGMYFPDXBNJZSQVHLCKE")), "DNI"),
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


def iban(rng, country, form):
    """An account by the registry's form (`8!n16!c`) with its check digits (ISO 7064, MOD 97-10)."""
    letters = {"n": string.digits, "a": string.ascii_uppercase, "c": string.digits + string.ascii_uppercase}
    body = "".join("".join(rng.choices(letters[kind], k=int(count))) for count, kind in re.findall(r"(\d+)!([nac])", form))
    number = int("".join(str(int(letter, 36)) for letter in f"{body}{country}00"))
    return f"{country}{98 - number % 97:02}{body}"


def registered():
    """The registry's form and length for each country that it has."""
    forms = {}
    for country in map("".join, itertools.product(string.ascii_uppercase, repeat=2)):
        with contextlib.suppress(InvalidCountryCode):
            known = registry.get_iban_spec(country)
            forms[country] = known.bban_spec, known.iban_length
    return forms


def test_every_country_of_the_iban_registry_is_known_by_its_length():
    rng, values, forms = random.Random(5), {}, registered()
    assert len(forms) > 100
    for country, (form, length) in forms.items():
        values[country] = iban(rng, country, form)
        assert len(values[country]) == length, country
    grouped = [re.sub(r"(.{4})(?!$)", r"\1 ", value) for value in values.values()]
    for texts in (list(values.values()), grouped):
        found = redact([f"IBAN {text}." for text in texts])
        missed = [text for text, one in zip(texts, found, strict=True) if [kind["kind"] for kind in one] != ["iban"]]
        assert not missed
    # One digit more with the right check digits is the account of no country here.
    longer = [iban(rng, country, form + "1!n") for country, (form, _) in forms.items()]
    wrong = [text for text, one in zip(longer, redact(longer), strict=True) if any(kind["kind"] == "iban" for kind in one)]
    assert not wrong


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
