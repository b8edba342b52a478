-- From here on a model's record says how far its versions are on their way to production. The tables stay as they are;
-- the step keeps an earlier release, which would not know what it drops, from opening the file.
SELECT 1;
