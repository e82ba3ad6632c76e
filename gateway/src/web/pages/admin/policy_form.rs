//! The form of a policy, and what it says.

use core::str::FromStr;

use countersign_core::{
    otp::{Digits, HashAlgorithm, OtpMode, Period},
    pskc::{BiometricPin, Exportable, NumberMatching, PinEncoding, PinPlace, PinPolicy, TokenPin},
    token::{PushPolicy, VerificationLevel},
};
use http::StatusCode;

use super::visitor::Visitor;
use crate::{
    service::{Policy, TokenRules, level_word},
    web::pages::{
        form::{Fields, hidden},
        frame::Page,
        html::{Escaped, Text, html},
    },
};

const ON: &str = "on";
/// What a policy begins with.
const LEVELS: [VerificationLevel; 4] = [
    VerificationLevel::Click,
    VerificationLevel::Pin,
    VerificationLevel::Finger,
    VerificationLevel::Tpm,
];

/// The rules that a form says; what does not belong to the chosen mode and PIN type is not looked at.
pub(super) fn rules(fields: &Fields) -> Result<TokenRules, String> {
    let mode = mode(fields)?;
    let computed = match &mode {
        OtpMode::Challenge { suite } => suite.uses_pin().is_some(),
        OtpMode::Time { .. } | OtpMode::Event { .. } => false,
    };
    let pin = match fields.text("pin") {
        _ if computed => PinPolicy::InPasscode,
        "token" => PinPolicy::Token(TokenPin {
            max_failed_attempts: number(fields, "pin_tries", "the tries")?,
            min_length: number(fields, "pin_min", "the fewest characters of the PIN")?,
            max_length: number(fields, "pin_max", "the most characters of the PIN")?,
            encoding: match fields.text("pin_chars") {
                "decimal" => PinEncoding::Decimal,
                "hexadecimal" => PinEncoding::Hexadecimal,
                _ => PinEncoding::Alphanumeric,
            },
            biometric: if fields.text("biometric") == ON {
                BiometricPin::Allowed
            } else {
                BiometricPin::Refused
            },
        }),
        "server-before" => PinPolicy::Server(PinPlace::Prepend),
        "server-behind" => PinPolicy::Server(PinPlace::Append),
        _ => PinPolicy::None,
    };
    let push = match fields.text("push") {
        "off" => PushPolicy::Off,
        word => PushPolicy::Allowed(
            LEVELS
                .into_iter()
                .find(|level| level_word(*level) == word)
                .unwrap_or(VerificationLevel::Pin),
        ),
    };
    Ok(TokenRules {
        mode,
        pin,
        push,
        number_matching: if fields.text("numbers") == ON {
            NumberMatching::Required
        } else {
            NumberMatching::Off
        },
        exportable: if fields.text("exportable") == ON {
            Exportable::Yes
        } else {
            Exportable::No
        },
    })
}

fn mode(fields: &Fields) -> Result<OtpMode, String> {
    let hash: HashAlgorithm = fields
        .text("hash")
        .parse()
        .map_err(|_unknown| "the hash is sha1, sha256 or sha512".to_owned())?;
    let digits = Digits::try_from(number::<u8>(fields, "digits", "the digits")?)
        .map_err(|error| error.to_string())?;
    match fields.text("mode") {
        "event" => Ok(OtpMode::Event { hash, digits }),
        "challenge" => {
            let suite = match fields.text("suite").trim() {
                "" => format!("OCRA-1:HOTP-{hash}-{}:QN08", digits.count()),
                suite => suite.to_owned(),
            };
            let suite = suite
                .parse()
                .map_err(|error| format!("the OCRA suite: {error}"))?;
            Ok(OtpMode::Challenge { suite })
        }
        _ => Ok(OtpMode::Time {
            hash,
            digits,
            period: Period::try_from(number::<u32>(fields, "period", "the period")?)
                .map_err(|error| error.to_string())?,
        }),
    }
}

fn number<N: FromStr>(fields: &Fields, name: &str, what: &str) -> Result<N, String> {
    let text = fields.text(name).trim();
    text.parse()
        .map_err(|_malformed| format!("{what}: a number is missing or too large"))
}

/// The form, filled with a policy; none: a new one.
pub(super) fn page(visitor: &Visitor, policy: Option<&Policy>, wrong: Option<&str>) -> Page {
    let usual = TokenRules::new(
        OtpMode::Time {
            hash: HashAlgorithm::Sha1,
            digits: Digits::SIX,
            period: Period::THIRTY,
        },
        PinPolicy::Token(TokenPin::default()),
        PushPolicy::Allowed(VerificationLevel::Pin),
    );
    let rules = policy.map_or(&usual, |policy| &policy.rules);
    let status = wrong.map_or(StatusCode::OK, |_| StatusCode::UNPROCESSABLE_ENTITY);
    let wrong = wrong.map(|wrong| {
        html![
            "<p class=\"notice\" role=\"alert\">Nothing was changed: ",
            Text(wrong),
            "</p>"
        ]
    });
    let (title, name, action) = match policy {
        Some(policy) => (
            "Policy",
            html![
                "<input type=\"hidden\" name=\"name\" value=\"",
                Text(&policy.name),
                "\">"
            ],
            "change",
        ),
        None => (
            "New policy",
            text("name", "Policy string (its name)", "", 64),
            "add",
        ),
    };
    let level = policy.map_or("", |policy| policy.level.as_str());
    let remove = policy.map(|policy| {
        html![
            "<details class=\"danger\"><summary>Remove this policy</summary>\
             <p>Tokens that were issued by it stay as they are.</p>\
             <form method=\"post\" action=\"/admin/policy\">",
            hidden(&visitor.cookie.form_secret()),
            "<input type=\"hidden\" name=\"name\" value=\"",
            Text(&policy.name),
            "\"><button class=\"danger\" name=\"do\" value=\"remove\">Remove</button></form></details>"
        ]
    });
    visitor.page(title).status(status).body(html![
        "<h1>",
        title,
        " ",
        Text(policy.map_or("", |policy| policy.name.as_str())),
        "</h1>",
        wrong,
        "<form class=\"fields\" method=\"post\" action=\"/admin/policy\">",
        hidden(&visitor.cookie.form_secret()),
        name,
        text("level", "Policy level", level, 32),
        of_mode(&rules.mode),
        of_pin(rules.pin),
        of_push(rules),
        "<button name=\"do\" value=\"",
        action,
        "\">Keep</button></form><p class=\"hint\">A policy counts for tokens that are issued from then on.</p>",
        remove
    ])
}

fn of_mode(mode: &OtpMode) -> Escaped {
    let (word, period, suite) = match mode {
        OtpMode::Time { period, .. } => ("time", period.secs(), ""),
        OtpMode::Event { .. } => ("event", 30, ""),
        OtpMode::Challenge { suite } => ("challenge", 30, suite.as_str()),
    };
    let digits = mode.digits().map_or(6, Digits::count);
    let hash = mode.hash().to_string().to_lowercase();
    html![
        "<fieldset><legend>OTP mode</legend>",
        choice(
            "mode",
            "Mode",
            word,
            &[
                ("time", "Time-based (TOTP)"),
                ("event", "Event-based (HOTP)"),
                ("challenge", "Challenge-response (OCRA)"),
            ]
        ),
        choice(
            "hash",
            "Hash",
            &hash,
            &[
                ("sha1", "SHA-1"),
                ("sha256", "SHA-256"),
                ("sha512", "SHA-512"),
            ]
        ),
        text("digits", "Digits (4 to 10)", &digits.to_string(), 2),
        text(
            "period",
            "Period in seconds, time-based only",
            &period.to_string(),
            5
        ),
        text(
            "suite",
            "OCRA suite, challenge-response only; empty: by hash and digits",
            suite,
            64
        ),
        "</fieldset>"
    ]
}

fn of_pin(pin: PinPolicy) -> Escaped {
    let (word, limits) = match pin {
        PinPolicy::None | PinPolicy::InPasscode => ("none", TokenPin::default()),
        PinPolicy::Token(limits) => ("token", limits),
        PinPolicy::Server(PinPlace::Prepend) => ("server-before", TokenPin::default()),
        PinPolicy::Server(PinPlace::Append) => ("server-behind", TokenPin::default()),
    };
    let characters = match limits.encoding {
        PinEncoding::Decimal => "decimal",
        PinEncoding::Hexadecimal => "hexadecimal",
        PinEncoding::Alphanumeric => "alphanumeric",
    };
    html![
        "<fieldset><legend>PIN</legend>",
        choice(
            "pin",
            "PIN type",
            word,
            &[
                ("none", "None, or as the OCRA suite says"),
                ("token", "Token PIN: checked by the agent"),
                ("server-before", "Server PIN, typed before the passcode"),
                ("server-behind", "Server PIN, typed behind the passcode"),
            ]
        ),
        "<p class=\"hint\">The rest is for token PINs.</p>",
        text(
            "pin_min",
            "Fewest characters (1 to 64)",
            &limits.min_length.to_string(),
            2
        ),
        text(
            "pin_max",
            "Most characters (up to 64)",
            &limits.max_length.to_string(),
            2
        ),
        choice(
            "pin_chars",
            "Characters",
            characters,
            &[
                ("decimal", "Digits"),
                ("hexadecimal", "Digits and a to f"),
                ("alphanumeric", "Letters and digits"),
            ]
        ),
        text(
            "pin_tries",
            "Wrong ones in a row that erase the token (1 to 20)",
            &limits.max_failed_attempts.to_string(),
            2
        ),
        switch(
            "biometric",
            "A finger may stand for the PIN",
            limits.biometric == BiometricPin::Allowed
        ),
        "</fieldset>"
    ]
}

fn of_push(rules: &TokenRules) -> Escaped {
    let word = match rules.push {
        PushPolicy::Off => "off",
        PushPolicy::Allowed(level) => level_word(level),
    };
    html![
        "<fieldset><legend>Login requests</legend>",
        choice(
            "push",
            "Push, and what an approval asks for",
            word,
            &[
                ("off", "Off: passcodes only"),
                ("click", "A click alone"),
                ("pin", "A PIN or passphrase"),
                ("finger", "A finger"),
                ("tpm", "A PIN that a TPM checks"),
            ]
        ),
        switch(
            "numbers",
            "The number that the resource shows has to be typed",
            rules.number_matching == NumberMatching::Required
        ),
        switch(
            "exportable",
            "The user may export the token",
            rules.exportable == Exportable::Yes
        ),
        "</fieldset>"
    ]
}

fn text(name: &'static str, label: &'static str, value: &str, longest: usize) -> Escaped {
    html![
        "<label for=\"",
        name,
        "\">",
        label,
        "</label><input type=\"text\" id=\"",
        name,
        "\" name=\"",
        name,
        "\" value=\"",
        Text(value),
        "\" maxlength=\"",
        Text(longest),
        "\" autocomplete=\"off\" spellcheck=\"false\">"
    ]
}

fn choice(
    name: &'static str,
    label: &'static str,
    chosen: &str,
    options: &[(&'static str, &'static str)],
) -> Escaped {
    let mut list = Escaped::default();
    for (value, words) in options {
        let selected = (*value == chosen).then_some(" selected");
        list = html![
            list,
            "<option value=\"",
            *value,
            "\"",
            selected,
            ">",
            *words,
            "</option>"
        ];
    }
    html![
        "<label for=\"",
        name,
        "\">",
        label,
        "</label><select id=\"",
        name,
        "\" name=\"",
        name,
        "\">",
        list,
        "</select>"
    ]
}

fn switch(name: &'static str, label: &'static str, on: bool) -> Escaped {
    html![
        "<label class=\"switch\"><input type=\"checkbox\" name=\"",
        name,
        "\" value=\"on\"",
        on.then_some(" checked"),
        "> ",
        label,
        "</label>"
    ]
}
