//! `countersign list [WORD]`: the tokens, all or those that fit a word.

use countersign_proto::agent::v1::{self as api, OtpMode, TokenState};
use serde::Serialize;

use super::session::Session;
use crate::{
    cli, clock,
    exit::Failure,
    output::{
        Answer, Paint, Style,
        table::{Cell, tabbed, table},
        token::{self, Token},
        words,
    },
    text,
};

/// Lists them as the agent orders them.
pub(crate) async fn run(arguments: &cli::List, session: &Session) -> Result<(), Failure> {
    let reply = session.agent().await?.list_tokens().await?;
    let mut list = TokenList::from(reply);
    if let Some(word) = &arguments.word {
        list.keep(word);
    }
    session.output.answer(&list)
}

/// The list, and the second at which its bars were drawn.
#[derive(Debug, Serialize)]
pub(super) struct TokenList {
    tokens: Vec<Token>,
    #[serde(skip)]
    second: i64,
    /// What was searched for.
    #[serde(skip)]
    word: Option<String>,
}

impl From<api::ListTokensReply> for TokenList {
    fn from(reply: api::ListTokensReply) -> Self {
        Self {
            tokens: reply.tokens.into_iter().map(Token::from).collect(),
            second: clock::now().as_second(),
            word: None,
        }
    }
}

/// Columns of the bar and the seconds behind it.
const COUNTDOWN: usize = 17;

impl TokenList {
    /// Leaves out the tokens that `word` is not in, without regard to case.
    fn keep(&mut self, word: &str) {
        let wanted = word.to_lowercase();
        self.tokens.retain(|token| {
            let texts = [&token.user, &token.issuer, &token.service];
            [&token.name, &token.serial]
                .into_iter()
                .chain(texts.into_iter().flatten())
                .any(|text| text.to_lowercase().contains(&wanted))
        });
        self.word = Some(word.to_owned());
    }

    /// A line for each token whose passcodes the clock may spoil.
    fn clocks(&self, style: &Style) -> String {
        self.tokens
            .iter()
            .filter_map(|token| {
                let words = clock::spoils(token.clock_offset_ms?, token.period?)?;
                let name = text::short(&token.name);
                let line = format!("{words}: passcodes of {name} may not be accepted.");
                Some(format!("{}\n", style.paint(Paint::Attention, &line)))
            })
            .collect()
    }

    /// How long a passcode that was asked for now would be good.
    fn countdown(&self, token: &Token, style: &Style) -> Cell {
        let period = token.period.filter(|period| *period > 0);
        let usable = token.kind.mode == OtpMode::Time && token.kind.state == TokenState::Active;
        let Some(period) = period.filter(|_| usable) else {
            return Cell::default();
        };
        let passed = self.second.rem_euclid(i64::from(period)).unsigned_abs();
        let left = u64::from(period).saturating_sub(passed);
        let bar = style.countdown(left, u64::from(period));
        let seconds = style.paint(Paint::Faint, &format!("{left:>4} s"));
        Cell::drawn(format!("{bar} {seconds}"), COUNTDOWN)
    }
}

impl Answer for TokenList {
    fn friendly(&self, style: &Style) -> String {
        if let Some(word) = self.word.as_ref().filter(|_| self.tokens.is_empty()) {
            return format!("No token has {} in it.\n", text::short(word));
        }
        if self.tokens.is_empty() {
            return "There are no tokens yet. `countersign enroll` adds one.\n".to_owned();
        }
        let rows: Vec<Vec<Cell>> = self
            .tokens
            .iter()
            .map(|token| {
                vec![
                    Cell::new(Paint::Name, &token.name),
                    Cell::plain(token.user.as_deref().unwrap_or_default()),
                    Cell::plain(words::mode(token.kind.mode)),
                    Cell::new(Paint::Faint, &token.serial),
                    Cell::plain(token.push_word()),
                    self.countdown(token, style),
                    token.trouble(),
                ]
            })
            .collect();
        let sealed = self
            .tokens
            .iter()
            .any(|token| token.kind.mode == OtpMode::Unspecified);
        let heading = [
            "NAME", "USER", "MODE", "SERIAL", "PUSH", "GOOD FOR", "STATE",
        ];
        let mut lines = table(&heading, &rows, style);
        if sealed {
            lines.push_str(&token::sealed(style));
        }
        lines.push_str(&self.clocks(style));
        lines
    }

    fn bare(&self) -> String {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        self.tokens
            .iter()
            .map(|token| {
                tabbed(&[
                    &token.name,
                    &text(&token.mode),
                    &token.serial,
                    &text(&token.state),
                    token.push.map(words::yes).unwrap_or_default(),
                    words::on(token.autosend),
                    &text(&token.service),
                    &token.id,
                ])
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::json;

    fn token() -> api::Token {
        api::Token {
            id: "7".to_owned(),
            name: "Work".to_owned(),
            serial: "CS01".to_owned(),
            state: TokenState::Active.into(),
            autosend: true,
            mode: OtpMode::Time.into(),
            issuer: "Example".to_owned(),
            user: "alice".to_owned(),
            algorithm: "SHA256".to_owned(),
            digits: 6,
            period: 30,
            suite: String::new(),
            pin_type: api::PinType::None.into(),
            push: true,
            push_verification: api::Verification::Click.into(),
            policy_name: String::new(),
            policy_level: String::new(),
            exportable: false,
            created: 1_795_487_907,
            service: "gateway.example:8443".to_owned(),
            biometric: api::BiometricState::Refused.into(),
            ..api::Token::default()
        }
    }

    fn list(tokens: Vec<api::Token>) -> TokenList {
        TokenList {
            tokens: tokens.into_iter().map(Token::from).collect(),
            second: 1_795_487_907,
            word: None,
        }
    }

    #[test]
    fn the_json_shape_is_stable() {
        assert_eq!(
            json::line(&list(vec![token()])),
            concat!(
                r#"{"tokens":[{"id":"7","name":"Work","serial":"CS01","state":"active","autosend":true,"#,
                r#""mode":"time","issuer":"Example","user":"alice","algorithm":"SHA256","digits":6,"#,
                r#""period":30,"suite":null,"pin_type":"none","push":true,"push_verification":"click","#,
                r#""policy_name":null,"policy_level":null,"exportable":false,"created":1795487907,"#,
                r#""service":"gateway.example:8443","tries_left":null,"biometric":"refused","#,
                r#""pin_asking":null,"pin_rules":null,"server_pin_due":null,"container":null,"clock_offset_ms":null,"origins":[]}]}"#,
                "\n"
            )
        );
        assert_eq!(json::line(&list(vec![])), "{\"tokens\":[]}\n");
    }

    #[test]
    fn what_is_sealed_is_null() {
        let sealed = api::Token {
            id: "7".to_owned(),
            name: "Work".to_owned(),
            serial: "CS01".to_owned(),
            state: TokenState::Active.into(),
            autosend: true,
            ..api::Token::default()
        };
        assert_eq!(
            json::line(&list(vec![sealed])),
            concat!(
                r#"{"tokens":[{"id":"7","name":"Work","serial":"CS01","state":"active","autosend":true,"#,
                r#""mode":null,"issuer":null,"user":null,"algorithm":null,"digits":null,"period":null,"#,
                r#""suite":null,"pin_type":null,"push":null,"push_verification":null,"policy_name":null,"#,
                r#""policy_level":null,"exportable":null,"created":null,"service":null,"#,
                r#""tries_left":null,"biometric":null,"pin_asking":null,"pin_rules":null,"server_pin_due":null,"container":null,"clock_offset_ms":null,"origins":null}]}"#,
                "\n"
            )
        );
    }

    #[test]
    fn piped_there_is_one_line_a_token() {
        assert_eq!(
            list(vec![token()]).bare(),
            "Work\ttime\tCS01\tactive\tyes\ton\tgateway.example:8443\t7\n"
        );
        assert_eq!(list(vec![]).bare(), "");
    }

    #[test]
    fn a_word_keeps_the_tokens_that_have_it() {
        let other = api::Token {
            name: "Mail".to_owned(),
            serial: "HOME7".to_owned(),
            user: "bob".to_owned(),
            service: String::new(),
            ..token()
        };
        for (word, kept) in [
            ("WORK", vec!["Work"]),
            ("bob", vec!["Mail"]),
            ("example", vec!["Work", "Mail"]),
            ("gateway", vec!["Work"]),
            ("home", vec!["Mail"]),
            ("nothing", vec![]),
        ] {
            let mut list = list(vec![token(), other.clone()]);
            list.keep(word);
            let names: Vec<_> = list.tokens.iter().map(|token| &token.name).collect();
            assert_eq!(names, kept, "{word}");
        }
    }

    #[test]
    fn a_clock_that_spoils_passcodes_is_warned_of() {
        let style = Style::new(false, 120);
        for (offset, words) in [
            (14_000, ""),
            (16_000, "This computer's clock is 16 s behind"),
            (-90_000, "This computer's clock is 90 s ahead"),
        ] {
            let off = api::Token {
                clock_offset_ms: Some(offset),
                ..token()
            };
            let shown = list(vec![off]).clocks(&style);
            assert!(shown.contains(words), "{shown}");
            assert_eq!(shown.is_empty(), words.is_empty(), "{shown}");
        }
    }

    #[test]
    fn people_see_aligned_columns_and_a_bar() {
        let other = api::Token {
            name: "重要".to_owned(),
            mode: OtpMode::Event.into(),
            period: 0,
            push: false,
            state: TokenState::Revoked.into(),
            ..token()
        };
        assert_eq!(
            list(vec![token(), other]).friendly(&Style::new(false, 120)),
            concat!(
                "NAME  USER   MODE         SERIAL  PUSH  GOOD FOR           STATE\n",
                "Work  alice  time-based   CS01    on    ━╌╌╌╌╌╌╌╌╌    3 s\n",
                "重要  alice  event-based  CS01    no                       revoked\n",
            )
        );
    }
}
