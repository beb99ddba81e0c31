-- The workflow of make run, made by an ordinary role.
CREATE TABLE IF NOT EXISTS public.greeting (
    key text PRIMARY KEY,
    greeting text NOT NULL,
    greeted_at timestamptz NOT NULL DEFAULT now()
);

CREATE OR REPLACE FUNCTION public.greet(job intake.job) RETURNS void LANGUAGE sql AS $$
    INSERT INTO public.greeting (key, greeting)
    VALUES (job.key, 'Hello, ' || coalesce(job.payload #>> '{data,name}', 'stranger') || '!')
$$;

SELECT intake.create_workflow('greet', 'public.greet(intake.job)', source => 'demo', type => 'hello')
    WHERE NOT EXISTS (SELECT FROM intake.workflows WHERE name = 'greet');
