// Sends segments with the X-Ray SDK, prints each as it was sent, and then what was decided by the sampling rules.
//
//     send.cjs UDP-ADDRESS TCP-ADDRESS
const [, , udp, tcp] = process.argv;
process.env.AWS_XRAY_DAEMON_ADDRESS = `tcp:${tcp} udp:${udp}`;
process.env.AWS_XRAY_LOG_LEVEL = 'error';

const xray = require('aws-xray-sdk-core');
const emitter = require('aws-xray-sdk-core/dist/lib/segment_emitter');
const sampler = require('aws-xray-sdk-core/dist/lib/middleware/sampling/default_sampler');

const documents = [];
const send = emitter.send;
emitter.send = function (segment) {
    const format = segment.format.bind(segment);
    segment.format = () => {
        const text = format();
        documents.push(text);
        return text;
    };
    return send.call(this, segment);
};

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function main() {
    for (let number = 0; number < 20; number++) {
        const segment = new xray.Segment(`node-${number}`);
        segment.addAnnotation('number', number);
        segment.addMetadata('cart', { items: [1, 2.5, null, true], text: 'a\nb\t"c" <&> ä' }, 'shop');
        segment.setUser('u-1');
        for (let call = 0; call < number % 8; call++) {
            const subsegment = segment.addNewSubsegment(`call-${call}`);
            subsegment.namespace = 'remote';
            subsegment.addAttribute('http', { request: { method: 'GET', url: 'http://api/x' }, response: { status: 503 } });
            subsegment.close(new Error('no such cart'));
        }
        segment.close();
        await pause(2);
    }
    sampler.start();
    const request = (path) => ({ host: 'h', httpMethod: 'GET', urlPath: path, serviceName: 'node' });
    const matched = () => sampler.ruleCache.getMatchedRule(request('/never'), Math.floor(Date.now() / 1000));
    for (let waited = 0; waited < 300 && !matched(); waited++) {
        await pause(100);
    }
    const decisions = {};
    for (const path of ['/always', '/never']) {
        decisions[path] = 0;
        for (let turn = 0; turn < 50; turn++) {
            if (sampler.shouldSample(request(path))) {
                decisions[path]++;
            }
        }
    }
    console.log(JSON.stringify({ documents, decisions }));
    process.exit(0);
}

main();
