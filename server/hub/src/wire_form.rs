//! Bytes that many recipients get. Each form is made once, by the first door that needs it, and then shared.
//!
//! The hub does not know the wire. It keeps what doors make, and distinguishes the forms.

use std::borrow::Cow;
use std::iter::{once, once_with};
use std::ptr;
use std::sync::OnceLock;

use lanchat_model::limits;

/// One of a door's wire forms for content that many read: its wire, and a variant of the wire where peers negotiate
/// one. It must be a `static`: two are the same form if they are the same static, whatever their names.
///
/// ```
/// # use lanchat_hub::WireVariant;
/// static PLAIN: WireVariant = WireVariant::for_all("plain");
/// static WITH_TAGS: WireVariant = WireVariant::for_all("with tags");
/// ```
#[derive(Debug)]
pub struct WireVariant {
    /// Its name, for debugging.
    pub name: &'static str,
    /// With fewer readers, the form is made for each reader and is not kept.
    readers_min: u32,
}

impl WireVariant {
    /// Makes a form whose bytes are the same for all members of a room.
    pub const fn for_all(name: &'static str) -> Self {
        Self { name, readers_min: 0 }
    }

    /// Makes a form of a private chat whose bytes are the same for one [`Side`](crate::Side) of it. It is kept only
    /// while a side has several readers: most private chats have one reader on each side, and bytes that nobody shares
    /// are not worth their memory.
    pub const fn for_one_side(name: &'static str) -> Self {
        Self { name, readers_min: 3 }
    }

    /// Returns whether the bytes are worth keeping for this many readers.
    pub(crate) fn is_worth_keeping(&self, readers: u32) -> bool {
        readers >= self.readers_min
    }
}

/// The forms that were made of one content. At most `limits::WIRE_FORMS_MAX`; further forms are made for each
/// recipient.
#[derive(Debug, Default)]
pub(crate) struct WireForms {
    /// Nearly always the only form.
    first: OnceLock<Form>,
    more: OnceLock<Box<[OnceLock<Form>; limits::WIRE_FORMS_MAX - 1]>>,
}

#[derive(Debug)]
struct Form {
    of: &'static WireVariant,
    bytes: Box<[u8]>,
}

impl WireForms {
    /// Returns the bytes of a form. `make` is called at most once for each form, even under concurrent calls, unless
    /// the form found no free place.
    ///
    /// Each form has the first place that was free when it came, so a later call for it passes the same forms.
    pub(crate) fn made_by(&self, of: &'static WireVariant, make: impl FnOnce() -> Vec<u8>) -> Cow<'_, [u8]> {
        let mut make = Some(make);
        let mut bytes = || make.take().map_or_else(Vec::new, |make| make());
        let more = once_with(|| self.more.get_or_init(Box::default).iter()).flatten();
        for place in once(&self.first).chain(more) {
            let form = place.get_or_init(|| Form { of, bytes: bytes().into() });
            if ptr::eq(form.of, of) {
                return Cow::Borrowed(&form.bytes);
            }
        }
        Cow::Owned(bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    static VARIANTS: [WireVariant; limits::WIRE_FORMS_MAX + 1] =
        [const { WireVariant::for_all("a variant") }; limits::WIRE_FORMS_MAX + 1];

    fn bytes(number: usize) -> Vec<u8> {
        vec![number as u8; 3]
    }

    #[test]
    fn each_variant_gets_its_own_bytes_and_they_are_made_once() {
        let (forms, made) = (WireForms::default(), AtomicUsize::new(0));
        for _ in 0..3 {
            for (number, variant) in VARIANTS.iter().enumerate().take(limits::WIRE_FORMS_MAX) {
                let form = forms.made_by(variant, || {
                    made.fetch_add(1, Ordering::Relaxed);
                    bytes(number)
                });
                assert!(matches!(form, Cow::Borrowed(_)));
                assert_eq!(*form, bytes(number));
            }
        }
        assert_eq!(made.into_inner(), limits::WIRE_FORMS_MAX);
    }

    #[test]
    fn beyond_the_bound_nothing_is_kept_and_all_is_right() {
        let forms = WireForms::default();
        for (number, variant) in VARIANTS.iter().enumerate() {
            forms.made_by(variant, || bytes(number));
        }
        let last = limits::WIRE_FORMS_MAX;
        for fresh in [7, 8] {
            let form = forms.made_by(&VARIANTS[last], || bytes(fresh));
            assert!(matches!(form, Cow::Owned(_)));
            assert_eq!(*form, bytes(fresh), "made anew for each recipient");
        }
        assert_eq!(*forms.made_by(&VARIANTS[1], Vec::new), bytes(1));
    }

    #[test]
    fn all_at_once_make_each_form_once() {
        let (forms, made, start) = (WireForms::default(), AtomicUsize::new(0), Barrier::new(16));
        thread::scope(|scope| {
            for thread in 0..16 {
                let (forms, made, start) = (&forms, &made, &start);
                scope.spawn(move || {
                    let number = thread % limits::WIRE_FORMS_MAX;
                    start.wait();
                    let form = forms.made_by(&VARIANTS[number], || {
                        made.fetch_add(1, Ordering::Relaxed);
                        bytes(number)
                    });
                    assert_eq!(*form, bytes(number));
                });
            }
        });
        assert_eq!(made.into_inner(), limits::WIRE_FORMS_MAX);
    }

    #[test]
    fn a_place_for_forms_is_small() {
        // There is one for each run in the tail of each room, whether or not anybody reads it.
        assert!(size_of::<WireForms>() <= 48, "{} bytes", size_of::<WireForms>());
    }
}
