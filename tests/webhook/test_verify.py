import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rtms_engine.errors import WebhookRejected
from rtms_engine.webhook.verify import LATE_S, signing_app, verify
from tests.webhook.vectors import BODY, NOW_S, SECRET_TOKEN, SIGNATURE, TIMESTAMP, headers_for


def test_the_vector_of_the_specification():
    assert len(BODY) == 238
    assert verify([SECRET_TOKEN], TIMESTAMP, SIGNATURE, BODY, NOW_S) == SECRET_TOKEN


@pytest.mark.parametrize("skew_s", [-300, 0, 300])
def test_a_timestamp_within_the_tolerance(skew_s):
    assert verify([SECRET_TOKEN], TIMESTAMP, SIGNATURE, BODY, NOW_S + skew_s)


@pytest.mark.parametrize(
    ("secret_tokens", "timestamp", "signature", "body", "now_s"),
    [
        pytest.param([], TIMESTAMP, SIGNATURE, BODY, NOW_S, id="no secret"),
        pytest.param(
            [""], TIMESTAMP, headers_for(BODY, "")["x-zm-signature"], BODY, NOW_S, id="empty secret"
        ),
        pytest.param(["another"], TIMESTAMP, SIGNATURE, BODY, NOW_S, id="another secret"),
        pytest.param([SECRET_TOKEN], None, SIGNATURE, BODY, NOW_S, id="no timestamp"),
        pytest.param([SECRET_TOKEN], TIMESTAMP, None, BODY, NOW_S, id="no signature"),
        pytest.param([SECRET_TOKEN], TIMESTAMP, "", BODY, NOW_S, id="empty signature"),
        pytest.param([SECRET_TOKEN], TIMESTAMP, "v0=é", BODY, NOW_S, id="signature not ASCII"),
        pytest.param([SECRET_TOKEN], TIMESTAMP, SIGNATURE.upper(), BODY, NOW_S, id="upper case"),
        pytest.param([SECRET_TOKEN], TIMESTAMP, SIGNATURE[3:], BODY, NOW_S, id="no version"),
        pytest.param([SECRET_TOKEN], "yesterday", SIGNATURE, BODY, NOW_S, id="timestamp a word"),
        pytest.param([SECRET_TOKEN], "-1626230692", SIGNATURE, BODY, NOW_S, id="timestamp signed"),
        pytest.param([SECRET_TOKEN], "١٦٢٦٢٣٠٦٩٢", SIGNATURE, BODY, NOW_S, id="timestamp not ASCII"),
        pytest.param([SECRET_TOKEN], "9" * 5000, SIGNATURE, BODY, NOW_S, id="timestamp endless"),
        pytest.param([SECRET_TOKEN], TIMESTAMP + "000", SIGNATURE, BODY, NOW_S, id="milliseconds"),
        pytest.param([SECRET_TOKEN], TIMESTAMP, SIGNATURE, BODY, NOW_S + 301, id="too old"),
        pytest.param([SECRET_TOKEN], TIMESTAMP, SIGNATURE, BODY, NOW_S - 301, id="too new"),
        pytest.param([SECRET_TOKEN], TIMESTAMP, SIGNATURE, BODY + b" ", NOW_S, id="another body"),
        pytest.param([SECRET_TOKEN], "01626230692", SIGNATURE, BODY, NOW_S, id="timestamp is verbatim"),
    ],
)
def test_everything_else_is_refused(secret_tokens, timestamp, signature, body, now_s):
    with pytest.raises(WebhookRejected) as refused:
        verify(secret_tokens, timestamp, signature, body, now_s)
    assert refused.value.status == 401


def test_the_refusal_repeats_nothing_of_the_request():
    with pytest.raises(WebhookRejected) as refused:
        verify([SECRET_TOKEN], TIMESTAMP, "v0=attacker", b"attacker", NOW_S)
    assert "attacker" not in str(refused.value)


def test_the_tolerance_can_be_chosen():
    with pytest.raises(WebhookRejected, match="timestamp"):
        verify([SECRET_TOKEN], TIMESTAMP, SIGNATURE, BODY, NOW_S + 11, tolerance_s=10)


@pytest.mark.parametrize("age_s", [-300, 301, 5400])
def test_it_may_be_older_than_it_may_be_ahead(age_s):
    assert verify([SECRET_TOKEN], TIMESTAMP, SIGNATURE, BODY, NOW_S + age_s, oldest_s=LATE_S)


@pytest.mark.parametrize("age_s", [-301, 5401])
def test_but_not_any_older_or_further_ahead(age_s):
    with pytest.raises(WebhookRejected, match="timestamp"):
        verify([SECRET_TOKEN], TIMESTAMP, SIGNATURE, BODY, NOW_S + age_s, oldest_s=LATE_S)


@pytest.mark.parametrize(
    ("age_s", "is_late"), [(-300, False), (0, False), (300, False), (301, True), (5400, True)]
)
def test_whether_it_is_late(age_s, is_late):
    signed = signing_app({"mine": [SECRET_TOKEN]}, TIMESTAMP, SIGNATURE, BODY, NOW_S + age_s)
    assert signed == ("mine", SECRET_TOKEN, is_late)


def test_late_ends_after_zooms_last_retry():
    """5, 20 and 60 minutes after one another (V1.md §1.5)."""
    assert LATE_S > (5 + 20 + 60) * 60


def test_either_secret_is_good_while_they_rotate():
    assert verify(["next", SECRET_TOKEN], TIMESTAMP, SIGNATURE, BODY, NOW_S) == SECRET_TOKEN
    assert verify([SECRET_TOKEN, "next"], TIMESTAMP, SIGNATURE, BODY, NOW_S) == SECRET_TOKEN


@pytest.mark.parametrize(
    ("secret_token", "app"), [("of-sales", "sales"), ("of-support", "support"), ("of-support-2", "support")]
)
def test_the_app_whose_token_signed_owns_the_delivery(secret_token, app):
    apps = {"sales": ["of-sales"], "support": ["of-support", "of-support-2"]}
    headers = headers_for(BODY, secret_token)
    found = signing_app(apps, TIMESTAMP, headers["x-zm-signature"], BODY, NOW_S)
    assert found == (app, secret_token, False)


def test_no_apps_own_nothing():
    with pytest.raises(WebhookRejected):
        signing_app({}, TIMESTAMP, SIGNATURE, BODY, NOW_S)


@given(
    timestamp=st.none() | st.text() | st.just(TIMESTAMP),
    signature=st.none() | st.text() | st.just(SIGNATURE),
    body=st.binary(),
)
@example(timestamp="\ud800", signature="\udcff", body=b"")
def test_nothing_but_a_refusal_is_raised(timestamp, signature, body):
    with pytest.raises(WebhookRejected):
        verify([SECRET_TOKEN], timestamp, signature, body, NOW_S)
