"""Checks of deploy/ that need schemas of others: Kubernetes' own, the AWS SDK's shapes, Grafana's models.

Prints one line for each thing that was checked; ends with an error at the first that is wrong.
"""

import copy
import json
import pathlib
import sys

import botocore.session
import botocore.validate
import jsonschema
import kubernetes_validate
import yaml

import dashboard
import gotemplate

ROOT = pathlib.Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
PIPELINE = (ROOT / "pipelines/container.yaml").read_text()
VERSIONS = ["1.30", "1.37"]
RELEASE = {"Name": "gateway", "Namespace": "telemetry"}


def manifests(name, text):
    """The documents of a text, each valid to Kubernetes; what is not its own is given back unchecked."""
    documents = [document for document in yaml.safe_load_all(text) if document]
    for document in documents:
        if document["apiVersion"].startswith("monitoring.coreos.com/"):
            continue
        for version in VERSIONS:
            kubernetes_validate.validate(document, version, strict=True)
    print(f"{name}: {', '.join(document['kind'] for document in documents) or 'nothing'}")
    return documents


def by_kind(documents):
    return {document["kind"]: document for document in documents}


def check_pod(deployment, drain_seconds):
    """What the house wants of a pod, whatever the schema allows."""
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["seccompProfile"]
    security = container["securityContext"]
    assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    wait = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > wait + drain_seconds
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"otlp-grpc": 4317, "otlp-http": 4318, "metrics": 8888, "health": 13133}, ports
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] == "health"
    check_variables(container["env"])


def check_variables(env):
    """A variable that the pipeline does not read is a mistake."""
    for variable in env:
        assert "${env:" + variable["name"] in PIPELINE, f"{variable['name']} is not read by the pipeline"


def check_plain():
    documents = manifests("kubernetes", (DEPLOY / "kubernetes/collimator.yaml").read_text())
    kinds = by_kind(documents)
    assert kinds["ConfigMap"]["data"]["config.yaml"] == PIPELINE, "the ConfigMap is not pipelines/container.yaml"
    check_pod(kinds["Deployment"], 25)


def check_daemonset():
    documents = manifests("daemonset", (DEPLOY / "xray-daemon/daemonset.yaml").read_text())
    kinds = by_kind(documents)
    pod = kinds["DaemonSet"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["args"][0] == "xray-daemon"
    assert pod["terminationGracePeriodSeconds"] > 25
    security = container["securityContext"]
    assert security["readOnlyRootFilesystem"] and security["capabilities"] == {"drop": ["ALL"]}
    both = {("UDP", 2000), ("TCP", 2000)}
    assert {(port["protocol"], port["hostPort"]) for port in container["ports"]} == both
    assert {(port["protocol"], port["port"]) for port in kinds["Service"]["spec"]["ports"]} == both
    assert pod["serviceAccountName"] == kinds["ServiceAccount"]["metadata"]["name"]


def merged(values, changes):
    values = copy.deepcopy(values)
    for path, value in changes.items():
        *above, last = path.split(".")
        place = values
        for name in above:
            place = place[name]
        assert last in place, path
        place[last] = value
    return values


def check_chart():
    folder = DEPLOY / "helm/collimator"
    assert (folder / "files/container.yaml").read_text() == PIPELINE, "the chart's file is not the pipeline"
    values = yaml.safe_load((folder / "values.yaml").read_text())
    schema = json.loads((folder / "values.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    cases = {
        "defaults": {},
        "everything": {
            "autoscaling.enabled": True,
            "podMonitor.enabled": True,
            "podMonitor.labels": {"team": "a"},
            "podAnnotations": {"a": "1"},
            "podLabels": {"b": "2"},
            "imagePullSecrets": [{"name": "s"}],
            "nodeSelector": {"c": "d"},
            "tolerations": [{"operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
            "service.headless": True,
            "service.annotations": {"e": "f"},
            "serviceAccount.annotations": {"g": "h"},
            "env": [{"name": "MAX_MEMORY_MIB", "value": "200"}],
            "config": "a: $1 {{ b }}\nc: d\n",
            "drainSeconds": 100,
        },
        "as little as possible": {
            "serviceAccount.create": False,
            "podDisruptionBudget.enabled": False,
            "upstream.insecure": True,
        },
    }
    for name, changes in cases.items():
        given = merged(values, changes)
        jsonschema.validate(given, schema)
        rendered = gotemplate.Chart(folder, given, RELEASE).render()
        assert "gateway-collimator.telemetry.svc:4317" in rendered.pop("NOTES.txt")
        documents = []
        for file, text in rendered.items():
            documents += manifests(f"helm, {name}, {file}", text)
        kinds = by_kind(documents)
        assert all(document["metadata"]["name"] == "gateway-collimator" for document in documents)
        config = kinds["ConfigMap"]["data"]["config.yaml"]
        assert config == (given["config"] or PIPELINE), config
        check_pod(kinds["Deployment"], given["drainSeconds"])
        assert ("HorizontalPodAutoscaler" in kinds) == given["autoscaling"]["enabled"]
        assert ("replicas" in kinds["Deployment"]["spec"]) != given["autoscaling"]["enabled"]
        assert ("PodDisruptionBudget" in kinds) == given["podDisruptionBudget"]["enabled"]
        assert ("ServiceAccount" in kinds) == given["serviceAccount"]["create"]
        assert ("PodMonitor" in kinds) == given["podMonitor"]["enabled"]
    try:
        jsonschema.validate(merged(values, {}) | {"replicas": 3}, schema)
    except jsonschema.ValidationError:
        print("helm: a value that does not exist is refused")
    else:
        raise AssertionError("a value that does not exist is taken")


def check_ecs():
    definition = json.loads((DEPLOY / "ecs/task-definition.json").read_text())
    service = botocore.session.get_session().get_service_model("ecs")
    shape = service.operation_model("RegisterTaskDefinition").input_shape
    report = botocore.validate.ParamValidator().validate(definition, shape)
    assert not report.has_errors(), report.generate_report()
    check_enums(definition, shape, "task")
    (container,) = definition["containerDefinitions"]
    assert container["readonlyRootFilesystem"] and container["user"] == "65532:65532"
    assert 25 < container["stopTimeout"] <= 120
    check_variables(container["environment"])
    print("ecs: RegisterTaskDefinition takes it")


def check_enums(value, shape, path):
    """The SDK's own check leaves the words of enumerations to the server."""
    if shape.type_name == "structure":
        for name, inner in value.items():
            check_enums(inner, shape.members[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for inner in value:
            check_enums(inner, shape.member, path)
    elif getattr(shape, "enum", None):
        assert value in shape.enum, f"{path}: {value} is none of {shape.enum}"


CHECKS = {
    "kubernetes": check_plain,
    "daemonset": check_daemonset,
    "helm": check_chart,
    "ecs": check_ecs,
    "grafana": lambda: dashboard.check(DEPLOY / "grafana/collimator.json"),
}

if __name__ == "__main__":
    CHECKS[sys.argv[1]]()
