import { describe } from "node:test";
import { acknowledging } from "./suite/acknowledging.ts";
import { connecting } from "./suite/connecting.ts";
import { delivering } from "./suite/delivering.ts";
import { limits } from "./suite/limits.ts";
import { malformed } from "./suite/malformed.ts";
import { messages } from "./suite/messages.ts";
import { ownTopics } from "./suite/own-topics.ts";
import { presence } from "./suite/presence.ts";
import { qos2 } from "./suite/qos2.ts";
import { resends } from "./suite/resends.ts";
import { restarting } from "./suite/restarting.ts";
import { sessions } from "./suite/sessions.ts";
import { stopping } from "./suite/stopping.ts";
import { strictness } from "./suite/strictness.ts";
import type { StartEdge } from "./suite/subject.ts";
import { tls } from "./suite/tls.ts";
import { webSocket } from "./suite/websocket.ts";
import { wills } from "./suite/wills.ts";

/** What every MQTT edge promises to devices and to the platform, whatever broker it is. */
export function mqttEdgeSuite(edge: string, start: StartEdge): void {
  describe(`MQTT edge: ${edge}`, () => {
    connecting(start);
    ownTopics(start);
    acknowledging(start);
    messages(start);
    qos2(start);
    resends(start);
    sessions(start);
    delivering(start);
    wills(start);
    limits(start);
    presence(start);
    restarting(start);
    tls(start);
    malformed(start);
    strictness(start);
    webSocket(start);
    stopping(start);
  });
}
