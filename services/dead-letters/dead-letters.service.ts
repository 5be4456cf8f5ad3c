import { z } from "zod";
import { deadChannelOf } from "../../lib/channels/dead-cause.ts";
import type { RawMessage } from "../../lib/channels/message.ts";
import { cursorOf, placeOf } from "../../lib/cursor.ts";
import { tenantOf } from "../../lib/meta.ts";
import { type Ctx, type DeadLetterConsumer, defineService, type TypedBroker } from "../../lib/service.ts";
import { documentStore } from "../../mixins/document-store.mixin.ts";
import { type ChannelKind, type Channels, channels as declared } from "../../schemas/channels.ts";
import { deadLetters } from "../../schemas/dead-letters.ts";
import { type DeadLetterDocument, deadLetterModel } from "./dead-letter.model.ts";
import { deadLetterOf, documentOf, editedPayload, redriveHeaders, summaryOf } from "./dead-letter.ts";
import { letterMetrics } from "./letter-metrics.ts";
import { LetterStore } from "./letter-store.ts";
import { checkRedrivable, redriveAll } from "./redrive.ts";

type Declared = Record<string, { kind: ChannelKind }>;

const Place = z.tuple([z.int(), z.string()]);

/** Who decided over letters; their ids say the rest. */
const audited = (ctx: Ctx, letters: readonly { letterId: string }[]) => ({
  tenantId: tenantOf(ctx),
  requestId: ctx.requestID,
  letters: letters.map(({ letterId }) => letterId),
});

/** Appends a letter to the channel that it came from. @throws what the channel throws, and as `checkRedrivable` */
async function send(broker: TypedBroker, letter: DeadLetterDocument, channels: Declared): Promise<void> {
  checkRedrivable(letter, channels);
  // Which channel it is is known only now.
  await broker.publish(letter.channel as keyof Channels, letter.payload, {
    raw: true,
    headers: redriveHeaders(letter),
    ...(letter.key === undefined ? {} : { key: letter.key }),
  });
}

/** The consumer of each channel's dead letters. */
const consumersOf = (channels: Declared): Record<string, DeadLetterConsumer<{ letters: LetterStore }>> =>
  Object.fromEntries(
    Object.entries(channels).map(([channel, { kind }]) => [
      deadChannelOf(channel),
      {
        group: "dead-letters",
        kind,
        async handler(ctx: Ctx<string | string[]>, raw: RawMessage | RawMessage[]) {
          const raws = [raw].flat();
          const texts = [ctx.params].flat();
          await this.letters.keep(texts.map((text, i) => documentOf(kind, channel, text, raws[i] as RawMessage)));
        },
      } satisfies DeadLetterConsumer<{ letters: LetterStore }>,
    ]),
  );

/** Keeps what consumers could not handle until somebody decides: to send it again, changed or not, or to discard it. */
export const deadLettersService = (channels: Declared) =>
  defineService(deadLetters, {
    mixins: [documentStore],
    state: () => ({
      letters: undefined as unknown as LetterStore,
      sampling: undefined as NodeJS.Timeout | undefined,
    }),

    async started() {
      const model = deadLetterModel(this.documents);
      await model.init();
      this.letters = new LetterStore(model);
      this.sampling = letterMetrics(this.broker.metrics, model, (error) =>
        this.logger.warn("Dead letters could not be counted.", { error }),
      );
    },

    stopped() {
      clearInterval(this.sampling);
    },

    actions: {
      async list(ctx) {
        const tenantId = tenantOf(ctx);
        const { cursor, limit, ...filter } = ctx.params;
        const list = ["dead-letters", tenantId, filter];
        const after = cursor === undefined ? undefined : placeOf(cursor, list, Place);
        const found = await this.letters.latest(tenantId, filter, after, limit);
        const page = found.slice(0, limit);
        const last = page.at(-1);
        return {
          items: page.map(summaryOf),
          ...(found.length > limit && last ? { nextCursor: cursorOf([last.deadAt.getTime(), last._id], list) } : {}),
        };
      },

      async get(ctx) {
        return deadLetterOf(await this.letters.find(tenantOf(ctx), ctx.params.deadLetterId));
      },

      async edit(ctx) {
        const { deadLetterId, payload } = ctx.params;
        const letter = await this.letters.find(tenantOf(ctx), deadLetterId);
        const edited = await this.letters.edit(letter, editedPayload(letter, payload), new Date());
        this.logger.info("Dead letter edited.", audited(ctx, [edited]));
        return deadLetterOf(edited);
      },

      async redrive(ctx) {
        const letter = await this.letters.find(tenantOf(ctx), ctx.params.deadLetterId);
        await send(this.broker, letter, channels);
        await this.letters.remove([letter]);
        this.logger.info("Dead letter re-driven.", audited(ctx, [letter]));
        const { channel, group } = letter;
        return { channel, ...(group === "" ? {} : { group }) };
      },

      async redriveMany(ctx) {
        const { limit, ...filter } = ctx.params;
        const found = await this.letters.oldest(tenantOf(ctx), filter, limit);
        const { redriven, failed, tried } = await redriveAll(found.slice(0, limit), this.letters, (letter) =>
          send(this.broker, letter, channels),
        );
        this.logger.info("Dead letters re-driven.", { ...audited(ctx, redriven), failed: failed.length });
        return { redriven: redriven.length, failed, more: found.length > tried };
      },

      async discard(ctx) {
        const letter = await this.letters.find(tenantOf(ctx), ctx.params.deadLetterId);
        await this.letters.remove([letter]);
        this.logger.info("Dead letter discarded.", audited(ctx, [letter]));
      },

      async discardMany(ctx) {
        const { limit, ...filter } = ctx.params;
        const found = await this.letters.oldest(tenantOf(ctx), filter, limit);
        const letters = found.slice(0, limit);
        const discarded = await this.letters.remove(letters);
        this.logger.info("Dead letters discarded.", audited(ctx, letters));
        return { discarded, more: found.length > limit };
      },

      async forget(ctx) {
        await this.letters.removeOf(tenantOf(ctx), ctx.params.deviceId);
      },
    },

    // Its names are known only when it is made.
    channels: consumersOf(channels) as object,
  });

export default deadLettersService(declared);
