/** A message of a device, or the deletion of what it sent before. */
interface Deletable {
  tenantId: string;
  deviceId: string;
  deleted?: object | true;
}

export interface InOrder<Message> {
  write(messages: readonly Message[]): Promise<unknown>;
  remove(deletion: Message): Promise<unknown>;
}

/** A deletion takes what its channel had before it, and leaves what came behind. */
export async function inOrder<Message extends Deletable>(
  batch: readonly Message[],
  { write, remove }: InOrder<Message>,
): Promise<void> {
  let begin = 0;
  for (let place = 0; place < batch.length; place++) {
    const message = batch[place] as Message;
    if (!message.deleted) continue;
    if (place > begin) await write(batch.slice(begin, place));
    await remove(message);
    begin = place + 1;
  }
  if (begin === 0) await write(batch);
  else if (begin < batch.length) await write(batch.slice(begin));
}
