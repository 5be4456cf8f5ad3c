import type { Publication } from "../message.ts";
import { payloadText } from "../payload-text.ts";
import { itemTimes, type WorkLimits } from "../work-times.ts";
import { nextPosition, type RabbitItem } from "./item.ts";

/** An item and its payload, to be stored. */
export interface Ready {
  item: RabbitItem;
  content: Buffer;
}

/** A new item. @throws ChannelPayloadError; RangeError naming the option that is wrong */
export function readyOf(name: string, publication: Publication, limits: WorkLimits, charsMax: number): Ready {
  const { payload, raw, key, headers, ...options } = publication;
  const text = payloadText(name, payload, raw, charsMax);
  const published = Date.now();
  const { due, deadline } = itemTimes(options, limits, published);
  const position = nextPosition();
  return {
    content: Buffer.from(text),
    item: {
      ...{ id: `${published}-${position}`, position, published, deadline },
      ...{ key: key ?? null, headers: headers ?? {}, due: options.delayMs ? due : 0 },
      ...{ deliveries: 0, failures: 0, copy: 0 },
    },
  };
}
