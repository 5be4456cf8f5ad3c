import { describe } from "node:test";
import { everyEdge } from "./every-edge.ts";
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
import type { World } from "./world.ts";

/** What an MQTT edge promises to devices and to the platform, by what it declares. */
export function mqttEdgeSuite(world: World): void {
  describe(`MQTT edge: ${world.name}`, () => {
    everyEdge(world);
    if (world.own) ownBroker(world.own);
  });
}

/** What is the broker's to promise, where it is ours: each packet, session and connection. */
function ownBroker(start: StartEdge): void {
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
}
