//! Which device a login by password uses: a new one, or the one that the same client used before.

use lanchat_model::limits;

use crate::port::{Account, AddedDevice, NewDevice, Store, StoreError, TokenRecord};

/// The device that a login by password asks for.
#[derive(Debug)]
pub(crate) enum OnDevice {
    /// A new device, perhaps with this label.
    New(Option<String>),
    /// The device with this label, or a new one if there is none.
    Again(String),
}

impl OnDevice {
    /// Returns the device with this label, of a kind of client. The two are joined by a character that a peer's label
    /// cannot contain, since doors remove control characters. So it is never a device that a login without a kind made.
    /// The label has at most `limits::DEVICE_LABEL_BYTES_MAX`.
    pub(crate) fn of_kind(kind: &str, device: &str) -> Self {
        let clean = device.chars().filter(|c| !c.is_control());
        let mut label: String = kind.chars().chain(['\u{1f}']).chain(clean).collect();
        label.truncate(label.floor_char_boundary(limits::DEVICE_LABEL_BYTES_MAX));
        Self::Again(label)
    }

    /// Takes the device, with this token, after the password of an account was proved. Returns `None` if the password
    /// has changed since.
    ///
    /// # Errors
    /// If the store fails.
    pub(crate) async fn take(
        self,
        store: &dyn Store,
        account: &Account,
        token: TokenRecord,
    ) -> Result<Option<AddedDevice>, StoreError> {
        let (id, known) = (account.id, account.generation);
        match self {
            Self::New(label) => store.add_device(id, known, NewDevice { label, token }).await,
            Self::Again(label) => store.use_device(id, known, NewDevice { label: Some(label), token }).await,
        }
    }
}
