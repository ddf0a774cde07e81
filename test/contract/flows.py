import sys

from client import Client
from client.api.jobs import check_job, create_job, get_job, list_jobs, patch_job, remove_job, start_job, stop_job
from client.api.numbers import get_metrics, list_results
from client.models import HttpJobDefinition, JobPatch, ListJobsSort, Outcome

client = Client(base_url=sys.argv[1], raise_on_unexpected_status=True)


def good(answer):
    assert answer.status_code in (200, 201), answer
    assert type(answer.parsed).__name__ != "Error", answer
    return answer.parsed


created = good(create_job.sync_detailed(client=client, body=HttpJobDefinition(uri="http://127.0.0.1:1/")))
job_id = created.job_id
patched = good(patch_job.sync_detailed(job_id, client=client, body=JobPatch(job_name="of a client")))
assert patched.job_name == "of a client" and patched.version == 2
assert not good(stop_job.sync_detailed(job_id, client=client)).running
assert good(start_job.sync_detailed(job_id, client=client)).running
assert good(check_job.sync_detailed(job_id, client=client)).outcome == "up"
assert good(get_metrics.sync_detailed(job_id, client=client, from_="-1h")).metrics == []
assert good(list_results.sync_detailed(job_id, client=client)) == []
assert [job.job_id for job in good(list_jobs.sync_detailed(client=client, limit=1, sort=ListJobsSort("-job_id")))] == [job_id]
first = good(get_job.sync_detailed(1, client=client))
assert first.state.last.outcome == Outcome.DOWN, first
assert remove_job.sync_detailed(job_id, client=client).status_code == 204
print("all flows")
