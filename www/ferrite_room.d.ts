/**
 * A room's page in a frame: `<ferrite-room server="https://call.example.com/" room="kitchen" name="Ada">`.
 *
 * The attributes are `room` (required), `server` (default: where this module came from), `name`, and `token` for a
 * server that asks for one. The server has to allow the page's origin.
 */
export declare class FerriteRoom extends HTMLElement {}

declare global {
  interface HTMLElementTagNameMap {
    "ferrite-room": FerriteRoom;
  }
}
