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
            SeeAction::Look(whom, look) => self.view.grid.look(whom.as_deref(), look),
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
            SeeAction::Floats(window) => {
                self.view.float.opened(window);
                self.show_devices();
                self.show_tiles();
            }
            SeeAction::Sinks => self.view.float.closed(),
        }
    }
}
