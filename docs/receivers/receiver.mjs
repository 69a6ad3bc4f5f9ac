import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const key = Buffer.from(process.env.WEBHOOK_SECRET.replace("whsec_", ""), "base64");
const equal = (a, b) => a.length === b.length && timingSafeEqual(a, b);

createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part)).on("end", () => {
    const { "webhook-id": id, "webhook-timestamp": sent, "webhook-signature": signatures = "" } = request.headers;
    const body = Buffer.concat(parts);
    const mine = Buffer.from("v1," + createHmac("sha256", key).update(`${id}.${sent}.`).update(body).digest("base64"));
    const good = signatures.split(" ").some((theirs) => equal(Buffer.from(theirs), mine)) && Math.abs(Date.now() / 1000 - sent) < 300;
    if (good) console.log(id, JSON.parse(body).type);
    response.writeHead(good ? 204 : 400).end();
  });
}).listen(process.env.PORT ?? 9000, "127.0.0.1");
