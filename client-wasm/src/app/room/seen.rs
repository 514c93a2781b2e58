//! How the user of a room's page wants to see it.

use ferrite_protocol::ParticipantId;

use super::RoomApp;
use crate::view::SeeAction;

impl RoomApp {
    pub(super) fn on_see(&mut self, action: SeeAction) {
        match action {
            SeeAction::Pin(whom, screen) => {
                self.stage.pin(ParticipantId(whom), screen, &mut self.view);
                self.watch();
            }
            SeeAction::Look(whom, look) => {
                let whom = whom.or_else(|| self.large_screen());
                self.view.grid.look(whom.as_deref(), look);
            }
            SeeAction::MoveOwn(x, y) => {
                self.view.grid.move_own(x, y);
                self.stage.arrange(&mut self.view);
            }
            SeeAction::ReturnOwn => {
                self.view.grid.return_own();
                self.stage.arrange(&mut self.view);
            }
            SeeAction::Turn(pages) => {
                self.stage.turn(pages, &mut self.view);
                self.watch();
            }
            SeeAction::FullScreen => self.view.menu.full_screen(),
            SeeAction::Float => {
                let tile = self.stage.prominent();
                let tile = tile.map(|it| (it.participant.0.as_str(), it.screen));
                self.view.toggle_float(tile);
            }
            // Whoever left before it came has nobody to see in it.
            SeeAction::Floats(window) if !self.inside => {
                let _ = window.close();
            }
            SeeAction::Floats(window) => {
                self.view.float.opened(window);
                self.show_devices();
                self.show_tiles();
            }
            SeeAction::Sinks => self.view.float.closed(),
        }
    }

    /// Whose screen is large, if any is: keys look into that one.
    fn large_screen(&self) -> Option<String> {
        let large = self.stage.prominent().filter(|it| it.screen)?;
        Some(large.participant.0.clone())
    }
}
