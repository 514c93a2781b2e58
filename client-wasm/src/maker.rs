//! Whose browser this is: for words about its settings, and for nothing that could be tried instead.

/// Who made the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    Chromium,
    Firefox,
    Safari,
    Other,
}

impl Maker {
    /// As the browser says it.
    pub(crate) fn of_the_browser() -> Self {
        let agent = web_sys::window().and_then(|window| window.navigator().user_agent().ok());
        Self::of(&agent.unwrap_or_default())
    }

    /// By its `User-Agent`. All browsers of an iPhone are Safari, and most others say that they are.
    fn of(agent: &str) -> Self {
        let is = |name| agent.contains(name);
        match () {
            () if is("iPhone") || is("iPad") => Self::Safari,
            () if is("Firefox/") => Self::Firefox,
            () if is("Chrome/") || is("Chromium/") => Self::Chromium,
            () if is("Safari/") => Self::Safari,
            () => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_that_name_others_are_told_apart() {
        for (agent, maker) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
                Maker::Chromium,
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0",
                Maker::Firefox,
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
                Maker::Safari,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/156.0 Mobile/15E148 Safari/604.1",
                Maker::Safari,
            ),
            ("curl/8.0", Maker::Other),
        ] {
            assert_eq!(Maker::of(agent), maker, "{agent}");
        }
    }
}
