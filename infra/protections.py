#!/usr/bin/env python3
"""Makes one CloudFormation template of many protections, from a CSV file with one application a line.

Nothing is sent anywhere: the template goes to standard output, what is wrong with the file to standard error. Every problem
is reported at once, with its line and column. The forms that values must have are those of functions/core/src/properties,
which reads them again when the template is deployed; tests/generator.rs holds the two against each other.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import sys
from dataclasses import dataclass, field
from typing import Callable, Iterable, Iterator, NoReturn, Union

# CloudFormation's quotas, as cfn-lint 1.58.0 has them (helpers.py, LIMITS) and as the user guide's page "Quotas" does.
MOST_RESOURCES = 500
LONGEST_TEMPLATE = 1_000_000
# A longer template cannot be sent with the request and goes through an S3 bucket.
LONGEST_TEMPLATE_IN_A_REQUEST = 51_200
LONGEST_PARAMETER = 4_096
# Lambda's quota for all environment variables of one function, less what the engine needs of it for other things.
ROOM_FOR_ALLOW_LISTS = 4_096 - 600
# Longest piece of a value that is repeated in a message.
SHOWN = 80
# An empty value as the SAM CLI takes it in --parameter-overrides.
EMPTY = '""'

CHECKER_REGIONS = (
    "us-east-1",
    "us-west-1",
    "us-west-2",
    "eu-west-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-northeast-1",
    "sa-east-1",
)


class Wrong(Exception):
    """Why a text is not a value of its kind: what it must be, and a value that would be accepted."""

    def __init__(self, rule: str, example: str) -> None:
        super().__init__(rule)
        self.rule = rule
        self.example = example


Form = Callable[[str], None]


def matches(pattern: str, rule: str, example: str) -> Form:
    compiled = re.compile(pattern)

    def check(text: str) -> None:
        if not compiled.fullmatch(text):
            raise Wrong(rule, example)

    return check


def whole(least: int, most: int, example: str) -> Form:
    def check(text: str) -> None:
        if not re.fullmatch("[0-9]{1,20}", text) or not least <= int(text) <= most:
            raise Wrong(f"it must be a whole number from {least} to {most}", example)

    return check


def one_of(*words: str) -> Form:
    def check(text: str) -> None:
        if text not in words:
            raise Wrong(f"it must be one of {', '.join(words)}", words[0])

    return check


def hostname(text: str) -> None:
    corrected = text.rstrip(".").lower()
    label = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    # A last label of digits is an IP address, which can be neither a CNAME's value nor an origin's name.
    is_name = re.fullmatch(rf"{label}(\.{label})+", corrected) and not re.search(r"\.[0-9]+$", corrected)
    if not is_name or len(corrected) > 253:
        raise Wrong("it must be a full host name of letters, digits, hyphens and dots", "origin-www.example.com")
    if corrected != text:
        raise Wrong("it must be in lower case and without a dot at the end", corrected)


def hosted_zone(text: str) -> None:
    bare = text.lstrip("/").removeprefix("hostedzone/")
    if not re.fullmatch("[A-Z0-9]{1,32}", text):
        if re.fullmatch("[A-Z0-9]{1,32}", bare):
            raise Wrong("it must be the id alone, without the /hostedzone/ before it", bare)
        raise Wrong("it must be the id of a Route 53 hosted zone", "Z0123456789ABCDEFGHIJ")


def origin_port(text: str) -> None:
    if not re.fullmatch("[0-9]{1,20}", text) or not (int(text) in (80, 443) or 1024 <= int(text) <= 65_535):
        raise Wrong("it must be a port that CloudFront connects to: 80, 443 or 1024 to 65535", "443")


def priority(text: str) -> None:
    if not re.fullmatch("[+-]?[0-9]{1,20}", text) or not -(2**31) <= int(text) < 2**31:
        raise Wrong("it must be a whole number; lower ones come first", "100")


NAME = matches("[a-z0-9-]{1,32}", "it must be 1 to 32 characters of a-z, 0-9 and -", "www")
DISTRIBUTION = matches("[A-Z0-9]{1,32}", "it must be the id of a CloudFront distribution", "E2EXAMPLE1ABCD")
HEALTH_CHECK = matches(
    "[A-Za-z0-9-]{1,64}", "it must be the id of a Route 53 health check", "11111111-2222-3333-4444-555555555555"
)
SECONDARY_HEALTH_CHECK = matches(
    "[A-Za-z0-9-]{1,64}", "it must be none or the id of a Route 53 health check", "none"
)
URL_PATH = matches(
    r"/[!-\"$-~]{0,254}", "it must begin with / and hold at most 255 printable characters without blanks and #", "/healthz"
)
PATH_PATTERN = matches(
    r"[A-Za-z0-9_.*$/~\"'@:+&?-]{1,255}",
    "each must be a CloudFront path pattern: 1 to 255 of A-Z a-z 0-9 _ - . * ? $ / ~ \" ' @ : + &",
    "/api/*",
)
ROLE = matches(
    r"arn:aws[^:]*:iam::[0-9]{12}:role/[!-~]+",
    "it must be the ARN of an IAM role",
    "arn:aws:iam::111122223333:role/failopen-zone-access",
)
ALARM = matches(r"[^\x00-\x1f\x7f-\x9f]{1,255}", "each must be the name of a CloudWatch alarm", "inspection-5xx")
SEARCH_STRING = matches(r"(?s:.{1,255})", "it must have at most 255 characters", "ok")


@dataclass(frozen=True)
class Column:
    name: str
    form: Form
    meaning: str
    # Several values in one cell, separated by commas.
    is_list: bool = False
    is_required: bool = False
    # Name within the property HealthCheck.
    in_health_check: str | None = None


COLUMNS = (
    Column("Name", NAME, "of the protection, unique in the engine; can never be changed", is_required=True),
    Column("DistributionId", DISTRIBUTION, "the existing distribution", is_required=True),
    Column("FailoverRecord", hostname, "new name that CloudFront will use as its origin", is_required=True),
    Column("InspectionHostname", hostname, "PRIMARY", is_required=True),
    Column("ApplicationHostname", hostname, "SECONDARY: host of the present origin", is_required=True),
    Column("HostedZoneId", hosted_zone, "public zone that holds FailoverRecord; empty with Dns external"),
    Column("HostedZoneRoleArn", ROLE, "role to assume where the zone is another account's"),
    Column("Dns", one_of("route53", "external"), "route53 (default) or external"),
    Column("Traffic", PATH_PATTERN, "path patterns, default *", is_list=True),
    Column("RecordTtl", whole(1, 300, "30"), "seconds, default 30"),
    Column("HealthCheckId", HEALTH_CHECK, "adopts an existing check", in_health_check="HealthCheckId"),
    Column("HealthCheckPath", URL_PATH, "probed on inspection, default /", in_health_check="Path"),
    Column("HealthCheckPort", whole(1, 65_535, "443"), "default OriginPort", in_health_check="Port"),
    Column("HealthCheckType", one_of("HTTPS", "HTTP", "TCP"), "default HTTPS", in_health_check="Type"),
    Column(
        "HealthCheckIntervalSeconds", one_of("10", "30"), "10 (default) or 30", in_health_check="IntervalSeconds"
    ),
    Column(
        "HealthCheckFailureThreshold", whole(1, 10, "2"), "default 2", in_health_check="FailureThreshold"
    ),
    Column("HealthCheckSearchString", SEARCH_STRING, "text wanted in the answer", in_health_check="SearchString"),
    Column(
        "HealthCheckRegions",
        one_of(*CHECKER_REGIONS),
        "at least three, or none",
        is_list=True,
        in_health_check="Regions",
    ),
    Column("SecondaryHealthCheck", SECONDARY_HEALTH_CHECK, "none (default) or the id of a check"),
    Column("AlarmEvaluationPeriods", whole(1, 1440, "1"), "minutes, default 1"),
    Column("Priority", priority, "order of those that fail together, default 100"),
    Column("AdditionalAlarms", ALARM, "your own alarms that speak for it too", is_list=True),
    Column("EdgeFailOpen", one_of("off", "notify", "automatic"), "layer 2: off, notify (default), automatic"),
    Column("FailBack", one_of("automatic", "manual"), "automatic (default) or manual"),
    Column("HoldDownSeconds", whole(0, 86_400, "900"), "default 900"),
    Column("MinimumDwellSeconds", whole(0, 86_400, "300"), "default 300"),
    Column("MaximumFlipsPerDay", whole(1, 100, "6"), "default 6"),
    Column("ApplicationCheck", one_of("probe", "none"), "probe (default) or none"),
    Column("ApplicationCheckPath", URL_PATH, "default /"),
    Column("Preflight", one_of("enforce", "warn", "skip"), "enforce (default), warn or skip"),
    Column("OriginPort", origin_port, "HTTPS port of both hosts, default 443"),
)
BY_NAME = {column.name: column for column in COLUMNS}
NO_COLUMNS = {
    "ServiceToken": "it follows from --engine-stack",
    "ServiceTimeout": "it is always 3600",
    "HealthCheck": "its settings have columns of their own, HealthCheckPath and so on",
    "HostedZoneExternalId": (
        "it is a secret and does not belong into a file; where a line has a HostedZoneRoleArn, the template asks for it by a "
        "parameter of this name"
    ),
}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with the file. Line 1 is the header."""

    line: int
    column: str
    fault: str

    def written(self, file: str) -> str:
        column = f" {self.column}:" if self.column else ""
        return f"{file}:{self.line}:{column} {self.fault}"


@dataclass
class Application:
    """One line of the file."""

    line: int
    # What was typed and has the right form, by column. Lists are lists.
    values: dict[str, Union[str, list[str]]] = field(default_factory=dict)

    def text(self, column: str) -> str:
        value = self.values.get(column, "")
        return value if isinstance(value, str) else ""

    def items(self, column: str) -> list[str]:
        value = self.values.get(column, [])
        return value if isinstance(value, list) else []

    @property
    def name(self) -> str:
        return self.text("Name")

    @property
    def is_external(self) -> bool:
        return self.text("Dns") == "external"

    @property
    def patterns(self) -> list[str]:
        return self.items("Traffic") or ["*"]


def shown(text: str) -> str:
    """A value as a message shows it: quoted, on one line, not endless."""
    start = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:SHOWN])
    return f"`{start}{'…' if len(text) > SHOWN else ''}`"


class Reader:
    """Reads a file and collects everything that is wrong with it."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def report(self, line: int, column: str, fault: str) -> None:
        self.problems.append(Problem(line, column, fault))

    def read(self, text: str) -> list[Application]:
        lines = self.lines(text)
        try:
            start, header = next(lines)
        except StopIteration:
            self.report(1, "", f"the file is empty; its first line must name the columns: {', '.join(required())}, …")
            return []
        columns = self.header(start, header)
        applications = [self.application(line, columns, cells) for line, cells in lines if columns]
        if columns and not applications and not self.problems:
            self.report(start, "", "there is no application below the line with the columns")
        self.against_each_other(applications)
        return applications

    def lines(self, text: str) -> Iterator[tuple[int, list[str]]]:
        """Every line that holds anything, with the number at which it begins: a quoted cell may span several."""
        rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        while True:
            start = rows.line_num + 1
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                self.report(start, "", f"is no CSV ({error}); nothing below it was read")
                return
            if any(cell.strip() for cell in cells):
                yield start, cells

    def header(self, line: int, header: list[str]) -> list[str]:
        columns = [cell.strip() for cell in header]
        if len(columns) == 1 and re.search("[;\t]", columns[0]):
            self.report(line, "", "the columns are not separated by commas; save the file as CSV with commas")
            return []
        for name in columns:
            if name in NO_COLUMNS:
                self.report(line, name, f"there is no such column: {NO_COLUMNS[name]}")
            elif name not in BY_NAME:
                meant = [known for known in BY_NAME if known.lower() == name.lower()]
                known = f"did you mean {meant[0]}?" if meant else f"the columns are {', '.join(BY_NAME)}"
                self.report(line, shown(name), f"there is no such column; {known}")
        for name in sorted({name for name in columns if columns.count(name) > 1}):
            self.report(line, name, "the column is there twice")
        for name in required():
            if name not in columns:
                self.report(line, name, "the column is missing, and every protection needs it")
        return columns

    def application(self, line: int, columns: list[str], cells: list[str]) -> Application:
        application = Application(line)
        if len(cells) != len(columns):
            self.report(
                line,
                "",
                f"has {len(cells)} cells, and there are {len(columns)} columns; quote a cell that holds commas, and leave "
                "empty cells in their places",
            )
            return application
        for name, cell in zip(columns, cells):
            column = BY_NAME.get(name)
            # Blanks may be meant in the text that the answer is searched for.
            cell = cell if name == "HealthCheckSearchString" else cell.strip()
            if column is None:
                continue
            if not cell:
                if column.is_required:
                    self.report(line, name, "is empty, and every protection needs it")
            elif column.is_list:
                application.values[name] = self.list(line, column, cell)
            elif self.has_form(line, column, cell):
                application.values[name] = cell
        self.within(application)
        return application

    def has_form(self, line: int, column: Column, text: str) -> bool:
        try:
            column.form(text)
        except Wrong as wrong:
            self.report(line, column.name, f"is {shown(text)}: {wrong.rule} (for example {wrong.example})")
            return False
        return True

    def list(self, line: int, column: Column, cell: str) -> list[str]:
        items: dict[str, str] = {}
        for item in (item.strip() for item in cell.split(",")):
            # CloudFront takes the leading slash of a pattern as optional.
            key = item.lstrip("/") if column.name == "Traffic" else item
            if key in items:
                self.report(line, column.name, f"names {shown(item)} twice")
            elif self.has_form(line, column, item):
                items[key] = item
        return list(items.values())

    def within(self, application: Application) -> None:
        """What the values of one line must be together."""

        def report(column: str, fault: str) -> None:
            self.report(application.line, column, fault)

        hosts = ("FailoverRecord", "InspectionHostname", "ApplicationHostname")
        for at, later in enumerate(hosts):
            for earlier in hosts[:at]:
                if application.text(later) and application.text(later) == application.text(earlier):
                    report(later, f"is the same host as {earlier}: all three must differ, or traffic would loop")
        zone = [name for name in ("HostedZoneId", "HostedZoneRoleArn") if name in application.values]
        if application.is_external:
            for name in zone:
                report(name, "must be empty with Dns external: no record is made there")
        elif "HostedZoneId" not in application.values and not self.is_blamed(application.line, "HostedZoneId"):
            report("HostedZoneId", "is empty: with Dns route53 it names the public zone that holds FailoverRecord")
        adopts = "HealthCheckId" in application.values
        for column in (column for column in COLUMNS if column.in_health_check and column.name in application.values):
            if adopts and column.name != "HealthCheckId":
                report(column.name, "cannot be combined with HealthCheckId: an adopted check is never changed")
            elif application.text("HealthCheckType") == "TCP" and column.in_health_check in ("Path", "SearchString"):
                report(column.name, "means nothing to a check of type TCP")
        regions = application.items("HealthCheckRegions")
        if 0 < len(regions) < 3 and not self.is_blamed(application.line, "HealthCheckRegions"):
            report("HealthCheckRegions", "names fewer than three regions (for example us-east-1,us-west-2,eu-west-1)")

    def is_blamed(self, line: int, column: str) -> bool:
        return any(problem.line == line and problem.column == column for problem in self.problems)

    def against_each_other(self, applications: list[Application]) -> None:
        """What no two lines may have in common."""
        names: dict[str, Application] = {}
        owners: dict[str, Application] = {}
        users: dict[tuple[str, str], Application] = {}
        behaviors: dict[tuple[str, str], Application] = {}
        for application in applications:
            line, name, record = application.line, application.name, application.text("FailoverRecord")
            distribution = application.text("DistributionId")
            if name:
                first = names.setdefault(name, application)
                if first is not application:
                    self.report(line, "Name", f"is {shown(name)}, as on line {first.line}: one name has one owner")
            if record and not application.is_external:
                first = owners.setdefault(record, application)
                if first is not application:
                    self.report(
                        line,
                        "FailoverRecord",
                        f"is {shown(record)}, as on line {first.line}: one record has one owner. A second distribution that "
                        "shares it has Dns external and an empty HostedZoneId",
                    )
            if record and distribution:
                first = users.setdefault((distribution, record), application)
                if first is not application and (application.is_external or first.is_external):
                    self.report(
                        line,
                        "FailoverRecord",
                        f"is {shown(record)}, as on line {first.line} for the same distribution: one protection with both "
                        "path patterns in Traffic does that",
                    )
            for pattern in application.patterns if distribution else []:
                first = behaviors.setdefault((distribution, pattern.removeprefix("/")), application)
                if first is not application:
                    self.report(
                        line,
                        "Traffic",
                        f"has {shown(pattern)} of distribution {distribution}, which line {first.line} protects already: two "
                        "protections would fight over one behaviour",
                    )
        if len(applications) > MOST_RESOURCES:
            self.report(
                applications[MOST_RESOURCES].line,
                "",
                f"is application {MOST_RESOURCES + 1} of {len(applications)}, and CloudFormation takes {MOST_RESOURCES} "
                "resources in one template; make a second file, with all applications of one distribution in the same one",
            )


def required() -> list[str]:
    return [column.name for column in COLUMNS if column.is_required]


def logical_id(name: str) -> str:
    """The resource's name in the template.

    It is a part of the mark by which a protection owns what it made, so it depends on the Name and on nothing else. A Name
    has no capital letters, so no two have the same.
    """
    return "Protection" + name.replace("-", "Dash")


def in_order(applications: Iterable[Application]) -> list[Application]:
    """By what they are and not by where they stand, so that moved lines change nothing.

    Owners of records come first: what shares one is made after it and removed before it, and no circle can come of that.
    Default behaviours come last: a pattern that has no behaviour of its own yet is given a copy of the one that serves it,
    which must not be another protection's by then.
    """
    return sorted(applications, key=lambda each: (each.is_external, "*" in each.patterns, each.name))


def template(applications: list[Application], engine_stack: str) -> dict[str, object]:
    resources: dict[str, object] = {}
    last_of: dict[str, str] = {}
    owner_of = {
        application.text("FailoverRecord"): logical_id(application.name)
        for application in applications
        if not application.is_external
    }
    for application in in_order(applications):
        this = logical_id(application.name)
        # One after the other: two that write one distribution at the same time would fight over its ETag.
        before = {last_of.get(application.text("DistributionId"))}
        if application.is_external:
            before.add(owner_of.get(application.text("FailoverRecord")))
        last_of[application.text("DistributionId")] = this
        resource: dict[str, object] = {"Type": "Custom::FailOpenProtection"}
        depends_on = sorted(other for other in before if other is not None)
        if depends_on:
            resource["DependsOn"] = depends_on
        resource["Properties"] = properties(application, engine_stack)
        resources[this] = resource
    made: dict[str, object] = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Failopen protections, made by infra/protections.py. Change the file that it is made from, not this one.",
    }
    if any("HostedZoneRoleArn" in application.values for application in applications):
        made["Parameters"] = {
            "HostedZoneExternalId": {
                "Type": "String",
                "Default": "",
                "NoEcho": True,
                "Description": "External id for assuming the roles that reach zones of other accounts.",
            }
        }
    made["Resources"] = dict(sorted(resources.items()))
    return made


def properties(application: Application, engine_stack: str) -> dict[str, object]:
    made: dict[str, object] = {
        "ServiceToken": {"Fn::ImportValue": f"{engine_stack}-ProvisionFunctionArn"},
        # A deletion waits for every edge.
        "ServiceTimeout": 3600,
    }
    health_check: dict[str, object] = {}
    for column in (column for column in COLUMNS if column.name in application.values):
        if column.in_health_check:
            health_check[column.in_health_check] = application.values[column.name]
        else:
            made[column.name] = application.values[column.name]
    if "HostedZoneRoleArn" in application.values:
        made["HostedZoneExternalId"] = {"Ref": "HostedZoneExternalId"}
    if health_check:
        made["HealthCheck"] = health_check
    return made


def allow_lists(applications: list[Application]) -> dict[str, str]:
    """The engine's parameters that let it touch what these protections need."""

    def joined(column: str, among: Iterable[Application]) -> str:
        return ",".join(sorted({application.text(column) for application in among} - {""}))

    owners = [application for application in applications if not application.is_external]
    return {
        "AllowedDistributions": joined("DistributionId", applications),
        "AllowedHostedZones": joined("HostedZoneId", owners),
        "AllowedRecords": joined("FailoverRecord", owners),
        "AllowedHostedZoneRoles": joined("HostedZoneRoleArn", owners),
    }


def notes(applications: list[Application], size: int) -> Iterator[str]:
    """What is right and needs a word all the same."""
    lists = allow_lists(applications)
    total = sum(len(value) for value in lists.values())
    too_long = [name for name, value in lists.items() if len(value) > LONGEST_PARAMETER]
    if too_long or total > ROOM_FOR_ALLOW_LISTS:
        yield (
            f"what the engine has to be allowed comes to {total} bytes. It is handed to a function's environment, where Lambda "
            f"takes 4096 bytes in all, so deploying the engine with it would most likely fail, and nothing would change. Share "
            "the applications out between two engines in stacks of their own, all of one distribution to the same one."
        )
    if size > LONGEST_TEMPLATE:
        yield (
            f"the template has {size} bytes, and CloudFormation takes {LONGEST_TEMPLATE}: deploying it would fail, and nothing "
            "would change. Make a second file, with all applications of one distribution in the same one."
        )
    elif size > LONGEST_TEMPLATE_IN_A_REQUEST:
        yield (
            f"the template has {size} bytes, and more than {LONGEST_TEMPLATE_IN_A_REQUEST} go to CloudFormation through an S3 "
            "bucket: aws cloudformation deploy --s3-bucket BUCKET …"
        )


def arguments() -> argparse.Namespace:
    width = max(len(column.name) for column in COLUMNS)
    columns = "\n".join(
        f"  {column.name:<{width}}  {'required: ' if column.is_required else ''}{column.meaning}" for column in COLUMNS
    )
    parser = argparse.ArgumentParser(
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Makes one CloudFormation template of many Failopen protections, from a CSV file: a line that names the\n"
            "columns, then one application a line. Nothing is sent anywhere; the template goes to standard output."
        ),
        epilog=(
            f"columns, in any order; an empty cell means the default, several values in a cell are separated by commas:\n"
            f"{columns}\n\n"
            "The order of the lines means nothing. A line that is taken out is a protection that is removed, and a Name that\n"
            "is changed is another protection.\n\n"
            "example:\n"
            "  python3 infra/protections.py --allow-lists many.csv      # for the engine's stack; deploy that first\n"
            "  python3 infra/protections.py many.csv > protections.json\n"
            "  aws cloudformation deploy --region us-east-1 --stack-name failopen-protections \\\n"
            "    --template-file protections.json\n\n"
            "exit status: 0 all is well, 1 the file has problems and no template was made, 2 wrong usage"
        ),
    )
    parser.add_argument("file", help="the CSV file, in UTF-8; - reads standard input")
    parser.add_argument(
        "--engine-stack",
        default="failopen",
        metavar="NAME",
        help="stack that runs the engine, whose export gives the service token (default: %(default)s)",
    )
    parser.add_argument(
        "--allow-lists",
        action="store_true",
        help="print what the engine's stack has to allow, as parameters, instead of the template",
    )
    chosen = parser.parse_args()
    if not re.fullmatch("[A-Za-z][A-Za-z0-9-]{0,127}", chosen.engine_stack):
        parser.error(f"--engine-stack {shown(chosen.engine_stack)} cannot be the name of a stack (for example failopen)")
    return chosen


def content(file: str) -> str:
    try:
        if file == "-":
            data = sys.stdin.buffer.read()
        else:
            with open(file, "rb") as opened:
                data = opened.read()
    except OSError as error:
        fail([f"{file} cannot be read: {error.strerror}"])
    try:
        # Spreadsheets put a byte order mark before UTF-8.
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        fail([Problem(line, "", "is not UTF-8; save the file as CSV in UTF-8").written(file)])


def fail(messages: list[str]) -> NoReturn:
    for message in messages:
        print(message, file=sys.stderr)
    count = f"{len(messages)} problem{'s' if len(messages) > 1 else ''}"
    print(f"{count}; no template was made, and nothing has changed.", file=sys.stderr)
    sys.exit(1)


def main() -> None:
    chosen = arguments()
    reader = Reader()
    applications = reader.read(content(chosen.file))
    if reader.problems:
        ordered = sorted(reader.problems, key=lambda problem: problem.line)
        fail([problem.written(chosen.file) for problem in ordered])
    made = json.dumps(template(applications, chosen.engine_stack), indent=2, ensure_ascii=False) + "\n"
    for note in notes(applications, len(made.encode())):
        print(f"note: {note}", file=sys.stderr)
    if chosen.allow_lists:
        made = "".join(f"{name}={value or EMPTY}\n" for name, value in allow_lists(applications).items())
    sys.stdout.buffer.write(made.encode())


if __name__ == "__main__":
    main()
