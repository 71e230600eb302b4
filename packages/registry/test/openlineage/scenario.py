"""The unmodified Python client of OpenLineage, on both sides.

    python scenario.py emit-http <url> <token>      emits the events of a nightly job over HTTP, packed
    python scenario.py emit-file <file> <folder>    emits them to one file, and to a file for each in a folder
    python scenario.py load <events> <answer>       makes the client's classes of events, and writes what it makes of them again
"""

import importlib
import json
import pkgutil
import sys
import typing
from enum import Enum

import attr
from openlineage.client import OpenLineageClient, event_v2, generated
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    dataset_version_dataset,
    documentation_dataset,
    error_message_run,
    input_statistics_input_dataset,
    nominal_time_run,
    output_statistics_output_dataset,
    parent_run,
    schema_dataset,
    sql_job,
    symlinks_dataset,
)
from openlineage.client.serde import Serde
from openlineage.client.transport.file import FileConfig, FileTransport
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpCompression, HttpConfig, HttpTransport

dag, extract, train = (f"0199cccc-0000-7000-8000-00000000000{number}" for number in (1, 2, 3))
namespace = "python"


def nightly():
    """What a scheduler emits: inputs at the start, outputs at the end, a task that fails, a dataset and a job that are only described."""
    flights = event_v2.InputDataset("postgres://db:5432", "air.public.flights")
    parent = parent_run.ParentRunFacet(
        run=parent_run.Run(runId=dag), job=parent_run.Job(namespace=namespace, name="nightly")
    )
    read = event_v2.InputDataset(
        flights.namespace,
        flights.name,
        inputFacets={"inputStatistics": input_statistics_input_dataset.InputStatisticsInputDatasetFacet(rowCount=12)},
    )
    source = {"namespace": flights.namespace, "name": flights.name}
    direct = column_lineage_dataset.Transformation(type="DIRECT", subtype="TRANSFORMATION", description="a - b")
    indirect = column_lineage_dataset.Transformation(type="INDIRECT", subtype="FILTER")
    field = column_lineage_dataset.InputField
    written = event_v2.OutputDataset(
        "s3://lake",
        "flights/2026.parquet",
        facets={
            "schema": schema_dataset.SchemaDatasetFacet(
                fields=[schema_dataset.SchemaDatasetFacetFields(name="delay", type="double")]
            ),
            "version": dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion="sha256:" + "ab" * 32),
            "columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(
                fields={
                    "delay": column_lineage_dataset.Fields(
                        inputFields=[
                            field(**source, field="arrived", transformations=[direct]),
                            field(**source, field="planned", transformations=[direct]),
                        ]
                    )
                },
                dataset=[field(**source, field="cancelled", transformations=[indirect])],
            ),
            "symlinks": symlinks_dataset.SymlinksDatasetFacet(
                identifiers=[
                    symlinks_dataset.Identifier(namespace="trino://trino:8080", name="hive.air.flights", type="TABLE")
                ]
            ),
        },
        outputFacets={
            "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
                rowCount=12, size=4096, fileCount=1
            )
        },
    )
    sql = {"sql": sql_job.SQLJobFacet(query="select arrived - planned as delay from flights where not cancelled")}
    failed = {
        "errorMessage": error_message_run.ErrorMessageRunFacet(
            message="out of memory", programmingLanguage="python", stackTrace="at line 1"
        )
    }
    nominal = {"nominalTime": nominal_time_run.NominalTimeRunFacet(nominalStartTime="2026-01-05T06:00:00Z")}

    def event(kind, run, name, second, inputs=(), outputs=(), facets=None, job=None):
        return event_v2.RunEvent(
            eventTime=f"2026-01-05T06:00:0{second}.123456+00:00",
            eventType=getattr(event_v2.RunState, kind),
            run=event_v2.Run(runId=run, facets={**({} if run == dag else {"parent": parent}), **(facets or {})}),
            job=event_v2.Job(namespace=namespace, name=name, facets=job or {}),
            inputs=list(inputs),
            outputs=list(outputs),
        )

    lake = event_v2.InputDataset(written.namespace, written.name)
    return [
        event("START", dag, "nightly", 0, facets=nominal),
        event("START", extract, "nightly.extract", 1, inputs=[flights], job=sql),
        event("RUNNING", extract, "nightly.extract", 2),
        event("COMPLETE", extract, "nightly.extract", 3, inputs=[read], outputs=[written]),
        event("START", train, "nightly.train", 4, inputs=[lake]),
        event("FAIL", train, "nightly.train", 5, facets=failed),
        event("ABORT", dag, "nightly", 6),
        event_v2.DatasetEvent(
            eventTime="2026-01-05T06:00:07Z",
            dataset=event_v2.StaticDataset(
                written.namespace,
                written.name,
                facets={"documentation": documentation_dataset.DocumentationDatasetFacet(description="All flights.")},
            ),
        ),
        event_v2.JobEvent(
            eventTime="2026-01-05T06:00:08Z",
            job=event_v2.Job(namespace=namespace, name="report"),
            inputs=[lake],
            outputs=[event_v2.OutputDataset("file", "/data/report.csv")],
        ),
    ]


def classes():
    """The facets' classes, by the addresses of their schemas."""
    found = {}
    for module in pkgutil.iter_modules(generated.__path__):
        for value in vars(importlib.import_module(f"{generated.__name__}.{module.name}")).values():
            if isinstance(value, type) and hasattr(value, "_get_schema"):
                found[value._get_schema()] = value
    return found


def make(kind, value, facet):
    """The value as an instance of the class or type: what has no place in it is an error."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if attr.has(kind):
        hints = typing.get_type_hints(kind)
        known = {field.name: field for field in attr.fields(kind)}
        given = {}
        for name, each in value.items():
            if name == "_schemaURL" or (name == "schemaURL" and not known["schemaURL"].init):
                continue
            field = known[name]
            given[field.alias or name.lstrip("_")] = (
                {key: facet(one) for key, one in each.items()}
                if name in ("facets", "inputFacets", "outputFacets")
                else make(hints[name], each, facet)
            )
        return kind(**given)
    if origin is list:
        return [make(arguments[0], each, facet) for each in value]
    if origin is dict:
        return {key: make(arguments[1], each, facet) for key, each in value.items()}
    if arguments:
        inner = [each for each in arguments if each is not type(None)]
        return make(inner[0], value, facet) if len(inner) == 1 else value
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if kind in (str, int, bool) and not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def load(lines):
    by_address = classes()
    used = set()

    def facet(value):
        address = value["_schemaURL"]
        if "/@millwright/" in address:
            assert value["_producer"], value
            return value
        used.add(address.rsplit("/", 1)[-1])
        made = make(by_address[address], value, facet)
        assert made._schemaURL == address, (made._schemaURL, address)
        return made

    told = []
    for line in lines:
        event = json.loads(line)
        kind = event["schemaURL"].rsplit("/", 1)[-1]
        made = make(getattr(event_v2, kind), event, facet)
        assert made.schemaURL == event["schemaURL"], made
        told.append(json.loads(Serde.to_json(made)))
    return {"events": told, "facets": sorted(used)}


mode, first, second = sys.argv[1:4]
if mode == "emit-http":
    auth = ApiKeyTokenProvider({"apiKey": second})
    transport = HttpTransport(HttpConfig(url=first, auth=auth, compression=HttpCompression.GZIP))
    client = OpenLineageClient(transport=transport)
    for each in nightly():
        client.emit(each)
elif mode == "emit-file":
    for path, append in ((first, True), (f"{second}/event", False)):
        client = OpenLineageClient(transport=FileTransport(FileConfig(log_file_path=path, append=append)))
        for each in nightly():
            client.emit(each)
else:
    with open(first, encoding="utf-8") as file:
        answer = load(file)
    with open(second, "w", encoding="utf-8") as file:
        json.dump(answer, file)
