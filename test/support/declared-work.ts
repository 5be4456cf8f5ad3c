// Loaded before a command: a channel of work, while the platform has none of its own.
import { type ChannelKind, channels } from "../../schemas/channels.ts";

(channels as unknown as Record<string, { kind: ChannelKind }>)["jobs"] = { kind: "work" };
