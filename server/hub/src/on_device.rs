//! Which device a login by password is on: a new one, or the one that the same client was on before.

use lanchat_model::limits;

use crate::port::{Account, AddedDevice, NewDevice, Store, StoreError, TokenRecord};

/// What a login by password asks for.
#[derive(Debug)]
pub(crate) enum OnDevice {
    /// A new device, which may be called so.
    New(Option<String>),
    /// The device that is called so, if there is one.
    Again(String),
}

impl OnDevice {
    /// The device of a kind of client that is called so. The sign between the two is one that no label of a peer holds, since
    /// doors take controls out of them: so it is never a device that a login without a kind made. At most
    /// `limits::DEVICE_LABEL_BYTES_MAX`.
    pub(crate) fn of_kind(kind: &str, device: &str) -> Self {
        let clean = device.chars().filter(|c| !c.is_control());
        let mut label: String = kind.chars().chain(['\u{1f}']).chain(clean).collect();
        label.truncate(label.floor_char_boundary(limits::DEVICE_LABEL_BYTES_MAX));
        Self::Again(label)
    }

    /// The device, with this token, for whoever proved the password of an account. `None`: the password is another one now.
    ///
    /// # Errors
    /// When the store fails.
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
