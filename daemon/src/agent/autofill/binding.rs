//! A token is bound to a page, in a dialog that says which page it is; and taken back.

use countersign_core::{
    autofill::{Binding, Doubt, Origin, Scope, doubts},
    text,
};

use super::{AutofillError, bindings, shown};
use crate::{
    agent::{
        Agent,
        caller::{About, Caller},
        ports::Confirmation,
        tokens::SelectError,
    },
    vault::{EventKind, PairingRow, TokenRow, TokenState},
};

/// The longest origin that a token is bound to, in bytes. What does not fit a dialog whole cannot be judged: the part that
/// says whose page it is stands at the end.
const SHOWN_WHOLE: usize = 100;

impl Agent {
    /// Asks the user whether a token is filled at this origin from now on.
    ///
    /// # Errors
    ///
    /// Every variant of [`AutofillError`].
    pub async fn bind(
        &self,
        origin: &str,
        token: &str,
        scope: Scope,
        pairing: &PairingRow,
        caller: &Caller,
    ) -> Result<(), AutofillError> {
        self.started().await;
        self.in_sight()?;
        let here = Origin::parse(origin)?;
        if here.as_str().len() > SHOWN_WHOLE {
            return Err(AutofillError::TooLong);
        }
        let binding = Binding::new(here, scope)?;
        self.spend_question()?;
        let about = About::new(&format!("Fill passcodes at {}", binding.origin()));
        self.unlock_first(caller, about).await?;
        let row = self.token_by_id(token).await?;
        match row.state {
            TokenState::Active => {}
            TokenState::Revoked => return Err(SelectError::Revoked(row.name).into()),
            TokenState::PinExhausted => return Err(SelectError::PinExhausted(row.name).into()),
        }
        if row
            .secrets
            .as_ref()
            .is_none_or(|secrets| secrets.mode.is_none())
        {
            return Err(AutofillError::NoPasscodes(row.name));
        }
        if bindings(&row).contains(&binding) {
            return Ok(());
        }
        let rows = self.rows().await?;
        let known = rows.iter().flat_map(bindings).map(Binding::origin);
        let doubts = doubts(binding.origin(), known);
        self.confirmed(
            &question(&row.name, &binding, &doubts, &pairing.name),
            caller,
        )
        .await?;
        let detail = format!("{}, for {}", shown(&binding.to_string()), pairing.name);
        let event = self.event(EventKind::OriginBound, &row.name, &detail);
        let id = row.id;
        self.vault
            .call(move |vault| vault.bind_origin(id, binding, &event))
            .await?;
        self.touch();
        Ok(())
    }

    /// A page is not filled any more: every binding of the token that reaches it goes.
    ///
    /// # Errors
    ///
    /// [`AutofillError::Origin`], [`AutofillError::NothingBound`], those of the token and the vault.
    pub async fn unbind_at(
        &self,
        origin: &str,
        token: &str,
        caller: &Caller,
    ) -> Result<(), AutofillError> {
        let here = Origin::parse(origin)?;
        self.unlock_first(caller, About::new("Fill a page no more"))
            .await?;
        let row = self.token_by_id(token).await?;
        self.unbound(&row, |binding| binding.fits(&here))
            .await
            .map(drop)
    }

    /// Takes back a binding as [`Binding`] prints it, or all of them.
    ///
    /// # Errors
    ///
    /// [`AutofillError::NothingBound`], those of the token and the vault.
    pub async fn unbind(
        &self,
        selector: &str,
        printed: Option<&str>,
        caller: &Caller,
    ) -> Result<(TokenRow, Vec<Binding>), AutofillError> {
        self.started().await;
        self.unlock_first(caller, About::new("Fill a page no more"))
            .await?;
        let row = self.token(selector).await?;
        let gone = self
            .unbound(&row, |binding| {
                printed.is_none_or(|printed| binding.to_string() == printed)
            })
            .await?;
        Ok((row, gone))
    }

    async fn unbound(
        &self,
        row: &TokenRow,
        goes: impl Fn(&Binding) -> bool,
    ) -> Result<Vec<Binding>, AutofillError> {
        let gone: Vec<_> = bindings(row)
            .iter()
            .filter(|&binding| goes(binding))
            .cloned()
            .collect();
        if gone.is_empty() {
            return Err(AutofillError::NothingBound);
        }
        let detail = shown(&printed(&gone));
        let event = self.event(EventKind::OriginUnbound, &row.name, &detail);
        let (id, these) = (row.id, gone.clone());
        self.vault
            .call(move |vault| vault.unbind_origins(id, &these, &event))
            .await?;
        Ok(gone)
    }
}

fn printed(bindings: &[Binding]) -> String {
    let texts: Vec<_> = bindings.iter().map(Binding::to_string).collect();
    texts.join(", ")
}

/// The host stands by itself, in the text that decides and in the one that people read. Warnings come first: a dialog that
/// is full loses its end.
fn question(token: &str, binding: &Binding, doubts: &[Doubt], pairing: &str) -> Confirmation {
    let origin = binding.origin();
    let mut about = About::new(&format!("Fill passcodes of the token {token} here?"));
    for doubt in doubts {
        about = about.and_long(&warning(doubt), SHOWN_WHOLE);
    }
    about = about.and_long(&format!("Page: {origin}"), SHOWN_WHOLE);
    if let Some(read) = origin.unicode_host() {
        let read = text::display(&read, SHOWN_WHOLE);
        about = about.and_long(&format!("Reads: {read}"), SHOWN_WHOLE);
    }
    if binding.scope() == Scope::Domain {
        about = about.and_long(&format!("And all of: {binding}"), SHOWN_WHOLE);
    }
    about = about.and(&format!("Asked by: {pairing}"));
    Confirmation {
        title: "Fill passcodes on this page?".to_owned(),
        description: about.description(
            "Whoever runs this page gets the passcodes. Allow it only if you know the address.",
        ),
        ok: "Allow".to_owned(),
        cancel: "Cancel".to_owned(),
        within: about.within,
    }
}

fn warning(doubt: &Doubt) -> String {
    match doubt {
        Doubt::MixedScripts => {
            "Careful: letters of different scripts are mixed in this name.".to_owned()
        }
        Doubt::ReadsAsAscii => {
            "Careful: this name reads like Latin letters, and is not written with them.".to_owned()
        }
        Doubt::ReadsLike(host) => {
            format!("Careful: this is not {host}, where you fill a token. It only looks like it.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a line of the dialog program's protocol holds; it loses its end where there is more.
    const ROOM: usize = 980;

    #[test]
    fn whose_page_it_is_fits_the_dialog_whatever_the_names_are() {
        let host = format!("https://aa.{}example", "a.".repeat(41));
        assert_eq!(host.len(), SHOWN_WHOLE);
        let origin = Origin::parse(&host).unwrap();
        let binding = Binding::new(origin, Scope::Origin).unwrap();
        let doubts = [
            Doubt::MixedScripts,
            Doubt::ReadsAsAscii,
            Doubt::ReadsLike("b".repeat(92)),
        ];
        let asked = question(
            &"\u{1f511}".repeat(64),
            &binding,
            &doubts,
            &"\u{1f511}".repeat(48),
        );
        let end = asked.description.find(&host).unwrap() + host.len();
        let before = &asked.description[..end];
        // A line break takes three bytes there.
        let escaped = before.len() + 2 * before.matches('\n').count();
        assert!(escaped < ROOM, "{escaped}");
        for doubt in &doubts {
            assert!(before.contains(&warning(doubt)), "{before}");
        }
    }

    #[test]
    fn a_look_alike_is_named_in_the_dialog() {
        let said = warning(&Doubt::ReadsLike("example.com".to_owned()));
        assert!(said.contains("not example.com"), "{said}");
    }
}
