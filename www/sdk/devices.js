// Cameras, microphones and screens, and why there is none: what browsers throw, as codes (W3C mediacapture-streams §10.2).

export class DeviceError extends Error {
  name = "DeviceError";

  constructor(code, cause) {
    super(cause?.message || WORDS[code], { cause });
    this.code = code;
    this.constraint = cause?.constraint || undefined;
  }
}

const WORDS = {
  insecure: "a browser gives devices to pages only that come over https",
};

const CODES = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "missing",
  NotReadableError: "busy",
  AbortError: "busy",
};

export const openDevices = (constraints) => open("getUserMedia", constraints);

export const openScreen = (options) => open("getDisplayMedia", options);

// Asks a track for these besides what it was asked for.
export async function applied(track, constraints) {
  try {
    await track.applyConstraints({ ...track.getConstraints(), ...constraints });
  } catch (error) {
    throw new DeviceError(code(error), error);
  }
}

async function open(how, what) {
  const { mediaDevices } = navigator;
  if (!mediaDevices) throw new DeviceError("insecure");
  // Phones do not show theirs.
  if (!mediaDevices[how]) throw new DeviceError("missing", { message: "this browser does not have it" });
  try {
    return await mediaDevices[how](what);
  } catch (error) {
    throw new DeviceError(code(error), error);
  }
}

function code({ name, constraint }) {
  if (name !== "OverconstrainedError") return CODES[name] ?? "other";
  return constraint === "deviceId" ? "missing" : "unfit";
}
